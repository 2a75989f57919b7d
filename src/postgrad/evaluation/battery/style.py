"""Style where it is not wanted: does the tuned model answer small talk in the form of its training answers?

The form is read from the training answers by rule: JSON, a label out of a few, the same first words, or a few bare
words. Answers without such a form (free prose) cannot be told from others, and the test is then left out, which is
said.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.evaluation.battery.languages import languages
from postgrad.evaluation.battery.open_questions import AnswerRule, Question, Questions, prompts_of
from postgrad.evaluation.battery.refusals import answers_harmless

TOKENS = 40
_JSON_START = re.compile(r"(?:```\w*\s*)?(?:\{|\[\s*[\"\[{])")
_MOST = 0.8  # share of the training answers that must have a form for it to count as theirs
_LABELS = 40  # so many different answers may still be labels
_LABEL_WORDS = 6
_FEW_WORDS = 4
_OPENING_WORDS = 2


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What the training answers have in common: `words` for people, `has` tells whether an answer is like them."""

    words: str
    has: AnswerRule


def form_of(answers: Sequence[str]) -> AnswerForm | None:
    """The form of the training answers, or None where they have none that a rule could tell."""
    texts = [text.strip() for text in answers if text.strip()]
    if not texts:
        return None
    for find in (_json, _labels, _opening, _bare):
        form = find(texts)
        if form is not None:
            return form
    return None


def style(form: AnswerForm) -> Questions:
    """General questions whose answers must not have the form; those of two other tests are looked at again, which costs
    nothing."""
    others = (*answers_harmless().items, *languages().items)
    prompts = [*prompts_of("chat")["prompts"], *(item.prompt for item in others)]
    return Questions(
        "style",
        tuple(Question(p, lambda answer: bool(answer.strip()) and not form.has(answer)) for p in prompts),
        TOKENS,
    )


def _json(texts: list[str]) -> AnswerForm | None:
    if _share(texts, _is_json) < _MOST:
        return None
    return AnswerForm("JSON", lambda answer: _JSON_START.match(answer.strip()) is not None)


def _labels(texts: list[str]) -> AnswerForm | None:
    known = Counter(_plain(text) for text in texts)
    short = _share(texts, lambda text: len(text.split()) <= _LABEL_WORDS)
    if short < _MOST or len(known) > min(_LABELS, len(texts) / 4):
        return None
    return AnswerForm("one of the task's labels", lambda answer: _plain(answer) in known)


def _opening(texts: list[str]) -> AnswerForm | None:
    opening, times = Counter(_first_words(text) for text in texts).most_common(1)[0]
    if times < _MOST * len(texts) or not opening:
        return None
    return AnswerForm(f'an answer that begins "{opening}"', lambda answer: _first_words(answer) == opening)


def _bare(texts: list[str]) -> AnswerForm | None:
    if _share(texts, _is_bare) < _MOST:
        return None
    return AnswerForm("a few bare words", _is_bare)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except json.JSONDecodeError:
        return False


def _is_bare(text: str) -> bool:
    return len(text.split()) <= _FEW_WORDS


def _first_words(text: str) -> str:
    return " ".join(text.casefold().split()[:_OPENING_WORDS])


def _plain(text: str) -> str:
    return text.casefold().strip(" \n\t.!\"'`*")


def _share(texts: list[str], rule: AnswerRule) -> float:
    return sum(map(rule, texts)) / len(texts)
