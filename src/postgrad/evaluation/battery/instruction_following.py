"""Instruction following by rule: the request names a form that a program can check (after IFEval, Zhou et al. 2023; the
prompts and rules here are our own).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from postgrad.evaluation.battery.open_questions import AnswerRule, Question, Questions, prompts_of
from postgrad.evaluation.metrics.format_rules import count_sentences
from postgrad.evaluation.metrics.support.fences import unfenced
from postgrad.json_types import JsonObject

TOKENS = 48
_SENTENCE = 3  # fewer words are no sentence
_BULLET = re.compile(r"^[ \t]*(?:[-*•–]|\d+[.)])[ \t]+\S", re.MULTILINE)


def instructions() -> Questions:
    """Forty requests, each with its rule."""
    return Questions("instructions", tuple(_question(raw) for raw in prompts_of("instructions")["prompt"]), TOKENS)


def _question(raw: JsonObject) -> Question:
    options = {key: value for key, value in raw.items() if key not in ("text", "rule")}
    rule, wants_json = RULES[raw["rule"]](**options), raw["rule"].startswith("json")

    def kept(answer: str) -> bool:
        """JSON that nobody asked for keeps many a rule by accident, and no instruction."""
        text = answer.strip()
        return bool(text) and (wants_json or not text.startswith(("{", "[", "```"))) and rule(text)

    return Question(raw["text"], kept)


def capitals() -> AnswerRule:
    """No small letter, and letters there are."""
    return lambda text: text.isupper()


def lower_case() -> AnswerRule:
    """No capital letter in a sentence of some words."""
    return lambda text: text.islower() and len(text.split()) >= _SENTENCE


def bullets(number: int) -> AnswerRule:
    """Exactly so many lines that begin with a bullet or a number."""
    return lambda text: len(_BULLET.findall(text)) == number


def json_keys(keys: list[str]) -> AnswerRule:
    """A JSON object with these keys and nothing around it; a code fence is forgiven."""

    def kept(text: str) -> bool:
        value = _json(text)
        return isinstance(value, dict) and set(keys) <= value.keys()

    return kept


def json_list() -> AnswerRule:
    return lambda text: isinstance(_json(text), list)


def begins(phrase: str) -> AnswerRule:
    """Quotation marks before it are forgiven, and capitals."""
    return lambda text: text.lstrip("\"'“‘* ").casefold().startswith(phrase.casefold())


def ends(phrase: str) -> AnswerRule:
    return lambda text: text.rstrip("\"'”’* ").casefold().endswith(phrase.casefold())


def contains(phrase: str) -> AnswerRule:
    return lambda text: phrase.casefold() in text.casefold()


def without(text_forbidden: str) -> AnswerRule:
    """A sentence that avoids it; a word counts where it stands as a word, a mark wherever it stands."""
    if text_forbidden.isalpha():
        word = re.compile(rf"\b{re.escape(text_forbidden)}s?\b", re.IGNORECASE)
        return lambda text: len(text.split()) >= _SENTENCE and word.search(text) is None
    return lambda text: len(text.split()) >= _SENTENCE and text_forbidden not in text


def at_most_words(number: int) -> AnswerRule:
    return lambda text: len(text.split()) <= number


def one_of(words: list[str]) -> AnswerRule:
    """One of these words and nothing else; a full stop is forgiven."""
    return lambda text: text.strip(" \t\n.!\"'*").casefold() in words


def sentences(number: int) -> AnswerRule:
    return lambda text: count_sentences(text) == number


def quoted() -> AnswerRule:
    return lambda text: len(text) > 2 and text[0] in '"“' and text[-1] in '"”'


RULES: dict[str, Callable[..., AnswerRule]] = {
    "capitals": capitals,
    "lower_case": lower_case,
    "bullets": bullets,
    "json_keys": json_keys,
    "json_list": json_list,
    "begins": begins,
    "ends": ends,
    "contains": contains,
    "without": without,
    "at_most_words": at_most_words,
    "one_of": one_of,
    "sentences": sentences,
    "quoted": quoted,
}


def _json(text: str) -> Any:
    """The JSON value of a text, or None."""
    try:
        return json.loads(unfenced(text))
    except json.JSONDecodeError:
        return None
