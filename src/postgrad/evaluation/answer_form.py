"""How right answers look, and the one rule that takes an answer of that form out of what was generated.

A model that says `refund.` and goes on to explain knows the label; what it lacks is the form, which a program that uses
it mends in a line. So every arm's answers are read by the same rule before they are scored, and the score of the texts
as they were generated stands beside. Only what right answers never have is taken away: fences, quotes, further lines.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postgrad.evaluation.metrics.support.fences import fenced_blocks
from postgrad.evaluation.metrics.support.normal import plain

SEARCHED = 4096
"""So many characters are looked through for the beginning of an object."""
SHORT = 3
"""A label of fewer letters counts at the ends of a line alone."""
_MOST = 0.98
"""What holds for so many right answers is their form."""
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "«": "»", "„": "“", "‘": "’"}
_NAMED = re.compile(
    r"\A(?:the )?(?:final )?(?:answer|label|category|class|intent|result|output)(?: is)?\s*[:=-]\s*", re.I
)
"""What a model puts before its answer when it is asked for one."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form of right answers.

    Attributes:
        one_line: They are one line each.
        fenced: They stand in ``` fences themselves.
        quoted: They begin and end with quotes themselves.
        named: They begin with a word such as `Answer:` themselves.
        labels: They are one of these.
        schema: Where they are JSON objects: the JSON schema, as JSON, that holds for them all.
        verbatim: Nothing is taken away: the metric reads the whole text by a rule of its own.
    """

    one_line: bool = False
    fenced: bool = True
    quoted: bool = True
    named: bool = True
    labels: tuple[str, ...] = ()
    schema: str = ""
    verbatim: bool = False

    @classmethod
    def of(cls, references: Sequence[str], labels: Sequence[str] = ()) -> AnswerForm:
        """The form of these right answers."""
        texts = [text for r in references if (text := r.strip())]
        if not texts:
            return VERBATIM
        return cls(
            one_line=_share(texts, lambda t: "\n" not in t) >= _MOST,
            fenced=_share(texts, lambda t: "```" in t) > 1 - _MOST,
            quoted=_share(texts, lambda t: _unquoted(t) != t) > 1 - _MOST,
            named=_share(texts, lambda t: bool(_NAMED.match(t))) > 1 - _MOST,
            labels=tuple(labels),
        )

    def take(self, text: str) -> str:
        """The answer in a generated text; the text itself where the form has nothing to take away."""
        if self.verbatim:
            return text
        taken = text.strip()
        if self.schema:
            return _object_in(taken)
        if not self.fenced and (blocks := fenced_blocks(taken)):
            taken = blocks[0][1].strip() or taken
        if self.one_line:
            taken = taken.partition("\n")[0].strip()
        if not self.named:
            taken = _NAMED.sub("", taken, count=1) or taken
        if not self.quoted:
            taken = _unquoted(taken)
        return (label_in(taken, self.labels) or taken) if self.labels else taken

    @property
    def sentence(self) -> str:
        """The rule in words, for the report."""
        if self.schema:
            return "Of what an arm generates its answer is the first JSON object; the same for all."
        parts = [
            "one of the labels where the first line names exactly one" if self.labels else "",
            "the first line" if self.one_line and not self.labels else "",
            "" if self.fenced else "without ``` fences",
            "" if self.quoted else "without quotes around it",
        ]
        rule = ", ".join(filter(None, parts))
        return "" if self.verbatim or not rule else f"Of what an arm generates its answer is {rule}; the same for all."


VERBATIM = AnswerForm(verbatim=True)
"""Answers are what was generated."""


def label_in(text: str, labels: Sequence[str]) -> str:
    """The label that a text is, or the only one that it names as whole words; empty where it is none or names several.

    A label within a longer one that stands at the same place (`card` in `card lost`) is not named apart from it.
    """
    said = plain(text)
    spelling, pattern = _matcher(tuple(labels))
    if said in spelling:
        return spelling[said]
    places = [found for found in pattern.finditer(said) if _means(found, said)] if said else []
    named = {found[0] for found in places}
    return spelling[named.pop()] if len(named) == 1 else ""


def _means(found: re.Match[str], said: str) -> bool:
    """Whether a label's text means the label there: `a` or `no` within a sentence is mostly a word of it."""
    at_an_end = found.start() == 0 or found.end() == len(said)
    return at_an_end if len(found[0]) < SHORT else True


@functools.lru_cache(maxsize=8)
def _matcher(labels: tuple[str, ...]) -> tuple[dict[str, str], re.Pattern[str]]:
    """Spellings by their plain form, and a pattern that finds them as whole words, longer ones first."""
    spelling: dict[str, str] = {}
    for label in labels:
        spelling.setdefault(plain(label), label.strip())
    longest_first = sorted(filter(None, spelling), key=len, reverse=True)
    return spelling, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[0] not in inner and text[-1] not in inner:
        return inner.strip()
    return text


def _object_in(text: str) -> str:
    """The first JSON object in a text, as it is written; the text itself where there is none."""
    for at in (i for i, character in enumerate(text[:SEARCHED]) if character == "{"):
        try:
            _, end = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError):  # RecursionError: a model stuck on "{{{{…"
            continue
        return text[at:end]
    return text


def _share(texts: Sequence[str], has: Callable[[str], bool]) -> float:
    return sum(map(has, texts)) / len(texts)
