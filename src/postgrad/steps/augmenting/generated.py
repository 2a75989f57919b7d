"""Examples made from documents, from a description, and pairs of answers: written, held to their ground, judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.answers import answer_kind
from postgrad.data.augment import from_documents, from_task, preferences
from postgrad.data.augment.keep import Augmented
from postgrad.data.augment.method import Proposal, Refused, Teacher
from postgrad.data.documents.documents import Chunk
from postgrad.evaluation.metrics.pairwise import both_orders, decided
from postgrad.evaluation.metrics.token_f1 import token_f1
from postgrad.progress import Progress, Working
from postgrad.records import Message, Preference, Record
from postgrad.similarity.near_duplicates import DEFAULT_THRESHOLD, exact_key, find_similar

AGREEMENT = 0.4
"""Token F1 from which two answers in free text say the same."""
_ROUND = 16
_MOST_ROUNDS = 4
"""So many times more examples are asked for than are wanted, before it is said that there are no more."""


def from_passages(
    chunks: Sequence[Chunk], times: int, task: str, write: Teacher, judge: Teacher, teacher: str
) -> Working[Augmented]:
    """Questions and answers from passages: each must quote its passage, and be answered alike from it.

    Args:
        chunks: The passages.
        times: Questions of each.
        task: What the answers are for; empty where nobody said.
        write: Writes.
        judge: Answers again.
        teacher: Name of both.
    """
    asked, prompts = from_documents.wishes(chunks, times, task)
    answers = yield from write(prompts)
    found = from_documents.read(asked, answers, teacher)
    kept, refused = _different(found)
    questions = [
        (Message("user", f"{asked[p.originals[0]].text}\n\nAnswer in a sentence or two: {p.record.prompt_text}"),)
        for p in kept
    ]
    again = yield from judge(questions)
    good: list[Proposal] = []
    for proposal, answer in zip(kept, again, strict=True):
        agreed = _agreement(proposal.record.answer_text, answer)
        if agreed is None:
            refused.append(_refuse(proposal, "budget", "the budget was spent before it could be judged"))
        elif agreed < AGREEMENT:
            refused.append(_refuse(proposal, "no_agreement", f"from the passage it is answered {str(answer)[:100]!r}"))
        else:
            good.append(replace(proposal, doubt=1 - agreed, why=f"agreement {agreed:.2f}"))
    return Augmented(tuple(good), tuple(refused))


def from_description(
    task: str, count: int, labels: Sequence[str], seed: int, write: Teacher, judge: Teacher, teacher: str
) -> Working[Augmented]:
    """First examples from a description, in rounds: each is shown some of those before, and judged by an answer to it.

    Args:
        task: The description.
        count: Examples that are wanted.
        labels: The only answers allowed; empty for free ones.
        seed: Of what is shown.
        write: Writes.
        judge: Answers again.
        teacher: Name of both.
    """
    kept: list[Proposal] = []
    refused: list[Refused] = []
    number = 0
    while len(kept) < count and number < _MOST_ROUNDS * count:
        size = min(_ROUND, count - len(kept) + 2)
        prompts = [from_task.wish(task, kept, labels, number + n, seed) for n in range(size)]
        answers = yield from write(prompts)
        found = [from_task.read(number + n, answer, labels, teacher) for n, answer in enumerate(answers)]
        number += size
        new, gone = _different(found, kept)
        refused += gone
        choice = f" Answer with one of: {', '.join(labels)}." if labels else ""
        again = yield from judge([(Message("user", f"{task}{choice}\n\n{p.record.prompt_text}"),) for p in new])
        for proposal, answer in zip(new, again, strict=True):
            agreed = _agreement(proposal.record.answer_text, answer)
            if agreed is None:
                refused.append(_refuse(proposal, "budget", "the budget was spent before it could be judged"))
            elif labels and agreed < 1:
                refused.append(_refuse(proposal, "no_agreement", f"it is answered {str(answer)[:60]!r}"))
            else:
                kept.append(replace(proposal, doubt=1 - agreed, why=f"agreement {agreed:.2f}"))
        yield Progress(min(len(kept), count), count, "examples")
        if any(answer is None for answer in answers):
            break
    return Augmented(tuple(kept[:count]), tuple(refused))


def pairs_of(
    records: Sequence[Record], write: Teacher, judge: Teacher, teacher: str
) -> Working[tuple[list[Preference], list[Refused]]]:
    """Two answers to each request, one warm and one greedy, and which of them a judge prefers in both orders.

    Args:
        records: Whose requests are answered.
        write: Answers warmly.
        judge: Answers greedily, and judges.
        teacher: Name of both.
    """
    prompts = [tuple(getattr(record, "prompt", ())) for record in records]
    first = yield from write(prompts)
    second = yield from judge(prompts)
    both = list(zip(first, second, strict=True))
    open_ones = [n for n, (a, b) in enumerate(both) if a is not None and b is not None and a.strip() != b.strip()]
    asked: list[tuple[str, str, str]] = [(records[n].prompt_text, str(both[n][0]), str(both[n][1])) for n in open_ones]
    chats = [tuple(Message(m["role"], m["content"]) for m in chat) for chat in both_orders(asked)]
    said = (yield from judge(chats)) if chats else []
    found = decided(asked, [text or "" for text in said], teacher)
    winners = dict(zip(open_ones, found.winners, strict=True))
    return preferences.decided(records, both, [winners.get(n, "tie") for n in range(len(records))], teacher)


def _different(
    found: Sequence[Proposal | Refused], before: Sequence[Proposal] = ()
) -> tuple[list[Proposal], list[Refused]]:
    """Those that repeat none of the others, nearly or quite; the first of two stays."""
    refused = [f for f in found if isinstance(f, Refused)]
    made = [f for f in found if isinstance(f, Proposal)]
    texts = [p.record.prompt_text for p in (*before, *made)]
    near: dict[int, int] = {}
    for a, b, _ in find_similar(texts, DEFAULT_THRESHOLD).pairs:
        near.setdefault(b, a)
    seen = {exact_key(t) for t in texts[: len(before)]}
    kept: list[Proposal] = []
    for n, proposal in enumerate(made, len(before)):
        key = exact_key(texts[n])
        if key in seen or n in near:
            refused.append(_refuse(proposal, "near_duplicate", "the same request, or nearly, exists already"))
        else:
            seen.add(key)
            kept.append(proposal)
    return kept, refused


def _agreement(said: str, again: str | None) -> float | None:
    """How far two answers agree, from 0 to 1; None where the second is missing."""
    if again is None:
        return None
    if answer_kind([said] * 5) == "label":
        return float(exact_key(said) in exact_key(again))
    return float(token_f1()(again, said))


def _refuse(proposal: Proposal, reason: str, why: str) -> Refused:
    return Refused(reason, why, proposal.originals, proposal.record)
