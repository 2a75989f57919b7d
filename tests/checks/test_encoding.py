"""Encoding: damaged text is mended exactly where that is certain, and whole text is never touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.checks import run_checks
from postgrad.checks.encoding import (
    encoding,
    mend_html,
    mend_mojibake,
    mend_newlines,
    mend_safely,
    mend_template,
    text_faults,
)
from postgrad.findings import Context
from postgrad.records import pair

WHOLE = [
    "Crème brûlée für Zoë, naïve façade, señor — “quoted” … 50 € ™",
    "Привет, мир. 你好，世界。 مرحبا नमस्ते 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "SÃO PAULO É GRANDE. ÂNGELA, ÎLE, Ã la carte",
    "if a < b && c > d: print('<br>')\n```html\n<p>&nbsp;</p>\n```",
    r"A path C:\new\names and a regex \n in code: printf(\"a\\n\")",
    "Use <a> for the first and <b> for the second; x<y, y>z; List<String>",
    "می‌خواهم",
]


@pytest.mark.parametrize("text", WHOLE)
def test_whole_text_is_left_alone(text):
    assert list(text_faults(text)) == [] and mend_safely(text) == text


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize(
    "text", ["Señor Muñoz trinkt Café in Zürich.", "l’été à la plage, déjà vu", "“quoted” – and so on…"]
)
def test_mojibake_is_mended(text, rounds):
    damaged = text
    for _ in range(rounds):
        damaged = (
            damaged.encode("utf-8").decode("cp1252", errors="strict")
            if _fits(damaged)
            else damaged.encode("utf-8").decode("latin-1")
        )
    assert next(name for name, _ in text_faults(damaged)) == "mojibake"
    assert mend_mojibake(damaged).replace("’", "'") == text.replace("’", "'")


def _fits(text: str) -> bool:
    try:
        text.encode("utf-8").decode("cp1252")
    except UnicodeDecodeError:
        return False
    return True


@given(st.text(max_size=80))
def test_mending_twice_changes_nothing_more(text):
    once = mend_safely(text)
    assert mend_safely(once) == once


@given(st.text(alphabet=st.characters(max_codepoint=0x7E, min_codepoint=0x20), max_size=80))
def test_plain_ascii_is_never_changed_unasked(text):
    assert mend_safely(text) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a caf\ufffd", "lost_letters"),
        ("a\u200bb", "invisible"),
        ("bell\x07", "invisible"),
        ("\ufeffstart", "invisible"),
        ("Tom &amp; Jerry", "html"),
        ("<div class='x'>a</div>", "html"),
        ("one<br/>two", "html"),
        ("Dear all,\\n\\nThank you.", "escaped_newlines"),
        ("yes<|im_end|>", "template_tokens"),
        ("[INST] say [/INST] so", "template_tokens"),
        ("well</s>", "template_tokens"),
    ],
)
def test_each_fault_is_named(text, fault):
    assert [name for name, _ in text_faults(text)] == [fault]


def test_mends_when_asked_for():
    assert mend_html("Tom &amp; Jerry<br>run<p>fast</p>") == "Tom & Jerry\nrunfast\n"
    assert mend_newlines("Dear all,\\n\\nThank you.") == "Dear all,\n\nThank you." or "\n" in mend_newlines(
        "Dear all,\\n\\nThank you."
    )
    assert mend_template("yes<|im_end|>") == "yes"


def test_safe_repairs_are_made_and_others_are_not():
    records = [pair(f"question {i} of many", f"answer {i}") for i in range(60)]
    records[3] = pair("At the caf\u00c3\u00a9?", "Yes\u200b.")
    records[4] = pair("Tom?", "Tom &amp; Jerry")
    kept = run_checks(records).kept
    assert (kept[3].prompt_text, kept[3].answer_text) == ("At the café?", "Yes.")
    assert kept[4] == records[4]


def test_html_that_is_the_task_is_information():
    records = [pair(f"Page {i}", f"<p>{i}</p>") for i in range(40)]
    finding = next(iter(encoding()(records, Context())))
    assert finding.severity == "info" and finding.repairs == ()


def test_what_an_invisible_character_kept_apart_is_mended_too():
    once = mend_safely("\x8dÎ\x80")
    assert mend_safely(once) == once
