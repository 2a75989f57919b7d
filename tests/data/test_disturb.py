"""Disturbances change how a request is put, never what is asked."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.data.augment.disturb import DISTURBANCES, disturbed
from postgrad.records import content_hash, pair

MAIL = (
    "Good morning, the Haven sofa of order FH-20817 is broken. Please send 2 new legs to Berlin! My door number is 14."
)
ANSWER = '{"product": "Haven sofa", "order": "FH-20817", "city": "Berlin"}'


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_what_the_answer_needs_stays(kind):
    for seed in range(20):
        found = disturbed([pair(MAIL, ANSWER)], kind, seed)
        assert list(found) == [0], kind
        text = found[0].prompt_text
        assert text != MAIL and found[0].answer_text == ANSWER
        for word in ("Haven", "sofa", "FH-20817", "Berlin", "14"):
            assert word in text, (kind, text)


def test_each_does_what_its_name_says():
    def of(kind):
        return disturbed([pair(MAIL, ANSWER)], kind, 3)[0].prompt_text

    assert of("letter case").casefold() == MAIL.casefold()
    assert "," not in of("no punctuation, odd spaces") and "!" not in of("no punctuation, odd spaces")
    assert Counter(of("sentences in another order").split()) == Counter(MAIL.split())
    assert MAIL in of("polite frame") and len(of("polite frame")) > len(MAIL) + 10
    assert 0 < sum(a != b for a, b in zip(of("typos").split(), MAIL.split(), strict=True)) < 8


def test_the_frame_speaks_the_language_of_the_request():
    german = pair("Wo ist meine Bestellung? Der Schrank sollte schon gestern geliefert werden.", "status")
    assert "Dank" in disturbed([german], "polite frame", 0)[0].prompt_text
    greek = pair("Πού είναι η παραγγελία μου; Έπρεπε να είχε φτάσει χθες το πρωί.", "status")
    assert disturbed([greek], "polite frame", 0) == {}


def test_order_that_means_something_is_left_alone():
    story = "Ann had 5 apples. Then she ate 2. How many are left?"
    assert disturbed([pair(story, "3"), pair("One sentence only", "3")], "sentences in another order", 0) == {}


@pytest.mark.parametrize("kind", DISTURBANCES)
@given(st.text(max_size=120), st.text(max_size=20))
def test_any_text_can_be_disturbed(kind, text, answer):
    found = disturbed([pair(text, answer)], kind, 0)
    assert all(r.prompt_text.strip() and r.prompt_text != text and r.answer_text == answer for r in found.values())


def test_the_same_seed_disturbs_alike_whatever_stands_beside():
    one, other = pair(MAIL, ANSWER), pair("Another request, with words enough. And a second sentence.", "x")
    for kind in DISTURBANCES:
        assert content_hash(disturbed([one, other], kind, 1)[0]) == content_hash(disturbed([one], kind, 1)[0])
