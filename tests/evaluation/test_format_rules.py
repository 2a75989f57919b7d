"""Rules of form."""

from __future__ import annotations

import pytest

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.format_rules import count_sentences, format_rules, language_of
from postgrad.evaluation.metrics.support.metric import paired
from postgrad.evaluation.metrics.support.named import metric_named


@pytest.mark.parametrize(
    ("rule", "kept", "broken"),
    [
        (r"regex='^\d{4}$'", "2026", "2026!"),
        ("no_regex='[0-9]'", "none", "1"),
        ("min_words=2", "a b", "a"),
        ("max_words=2", "a b", "a b c"),
        ("max_characters=3", " abc ", "abcd"),
        ("min_characters=3", "abc", "ab "),
        ("min_sentences=2", "One. Two!", "One, two."),
        ("max_sentences=1", "It costs 3.50 euros", "It does. So there."),
        ("min_bullets=2", "- a\n* b", "- a"),
        ("max_bullets=0", "a - b", "Here:\n1. a"),
        ("language=de", "Das Sofa ist leider noch nicht angekommen.", "The sofa has unfortunately not arrived yet."),
        ("json_only=true", ' {"a": [1]} ', "```json\n{}\n```"),
        ("starts_with=Dear", "dear Ada,", "Hello"),
        ("ends_with='regards.'", "Best Regards.", "Regards"),
        ("contains=['sofa', 'lamp']", "A Sofa, a lamp", "a"),
        ("forbids=sorry", "Here you are.", "I am Sorry."),
    ],
)
def test_each_rule(rule: str, kept: str, broken: str) -> None:
    metric = metric_named(f"format_rules({rule})")
    assert metric(kept, "") == 1 and metric(broken, "") == 0


def test_the_score_is_the_share_of_rules_and_the_broken_ones_are_counted() -> None:
    found = format_rules(max_words=3, ends_with=".", forbids="x").measure(paired(["a b.", "a b c d", "x y."], [""] * 3))
    assert found.scores == (1, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert found.details["broken"] == {"max_words": 1, "ends_with": 1, "forbids 'x'": 1}
    assert format_rules(max_words=3, forbids="x", all_kept=True)("x", "") == 0


def test_no_rule_and_a_bad_pattern_are_refused() -> None:
    with pytest.raises(UsageError, match="no rule"):
        format_rules()
    with pytest.raises(UsageError, match="not a pattern"):
        format_rules(regex="(")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One", 1),
        ("One. Two", 2),
        ("Really?! Yes…", 2),
        ("3.5 is more.", 1),
        ("はい。そうです。", 2),
        ('He said "no." Then left.', 2),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text) == count


def test_little_text_has_no_language() -> None:
    assert language_of("ok 12") == "" and language_of("Guten Morgen, wie geht es Ihnen heute?") == "de"
