"""Questions and answers from documents: a teacher writes them from a passage, and each must stand on it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postgrad.answers import parse_json
from postgrad.data.augment.method import Proposal, Refused
from postgrad.data.documents.documents import Chunk
from postgrad.json_types import JsonObject
from postgrad.records import Message, Source, pair
from postgrad.similarity.templates import facts, names

GENERATED = "generated"
"""Key of the metadata of examples that a teacher wrote: no people ever asked so."""
_WISH = (
    "Here is a passage of a document:\n\n{passage}\n\n{task}Write one question that a person who has not read the "
    "passage could ask and that it answers{other}, and the answer in the words of a helpful clerk. Write only one JSON "
    "object with the keys request, answer and quote; quote is the sentence of the passage, word for word, that the "
    "answer stands on."
)
_POINTS_BACK = re.compile(
    r"\b(?:the|this|above|following|given) (?:passage|text|document|paragraph|excerpt|section)\b|\baccording to\b", re.I
)
_FEWEST_WORDS = 12
_LETTERS = re.compile(r"\W+")


def wishes(chunks: Sequence[Chunk], times: int, task: str) -> tuple[list[Chunk], list[tuple[Message, ...]]]:
    """What a teacher is asked: `times` questions for each passage that says anything.

    Args:
        chunks: Passages.
        times: Questions of each.
        task: What the answers are for, in a sentence; empty where nobody said.
    """
    asked: list[Chunk] = []
    prompts = []
    for chunk in chunks:
        if len(chunk.text.split()) < _FEWEST_WORDS:
            continue
        for copy in range(times):
            other = f" (question {copy + 1} of {times}: another matter than the others)" if times > 1 else ""
            said = f"The task: {task}\n" if task else ""
            prompts.append((Message("user", _WISH.format(passage=chunk.text, task=said, other=other)),))
            asked.append(chunk)
    return asked, prompts


def read(chunks: Sequence[Chunk], answers: Sequence[str | None], teacher: str) -> list[Proposal | Refused]:
    """What the teacher wrote, as far as it stands on its passage.

    Args:
        chunks: The passage of each answer.
        answers: Of the teacher; None where the budget was spent.
        teacher: Its name.
    """
    return [_one(n, chunk, answer, teacher) for n, (chunk, answer) in enumerate(zip(chunks, answers, strict=True))]


def _one(place: int, chunk: Chunk, answer: str | None, teacher: str) -> Proposal | Refused:
    if answer is None:
        return Refused("budget", "the budget was spent before this one", (place,))
    made = object_in(answer)
    request, said, quote = (str(made.get(key) or "").strip() for key in ("request", "answer", "quote"))
    if not request or not said or not quote:
        return Refused("garbled", f"no object with request, answer and quote: {answer[:120]!r}", (place,))
    mark: JsonObject = {"method": "documents", "document": chunk.document, "teacher": teacher}
    record = pair(request, said, source=Source(chunk.document), meta={GENERATED: mark, "document": chunk.document})
    fault = _fault(chunk, request, said, quote)
    return Refused(*fault, (place,), record) if fault else Proposal(record, (place,))


def _fault(chunk: Chunk, request: str, said: str, quote: str) -> tuple[str, str] | None:
    """(reason, words) where an example cannot stand."""
    if _POINTS_BACK.search(request) or _POINTS_BACK.search(said):
        return "points_back", f"it speaks of the passage, which nobody sees: {request[:80]!r}"
    if plain(quote) not in plain(chunk.text):
        return "no_quote", f"the document does not say {quote[:100]!r}"
    there = {*facts(chunk.text), *names(chunk.text), *facts(request), *re.findall(r"\w+", f"{chunk.text} {request}")}
    if invented := sorted({*facts(said), *names(said)} - there):
        return "invented", f"the document does not have {', '.join(map(repr, invented[:3]))}"
    if plain(request) in plain(chunk.text):
        return "copied", "the request is a sentence of the document"
    return None


def plain(text: str) -> str:
    """A text without what quoting changes: capitals, spacing, punctuation."""
    return f" {' '.join(_LETTERS.split(text.lower())).strip()} "


def object_in(text: str) -> JsonObject:
    """The first to the last brace of a text as an object; empty where it is none."""
    start, end = text.find("{"), text.rfind("}")
    found = parse_json(text[start : end + 1]) if 0 <= start < end else None
    return found if isinstance(found, dict) else {}
