"""Passages, style and authorship: what they take from texts, and what they must not."""

from __future__ import annotations

import itertools
import random

import pytest

from postgrad.evaluation.texts.authorship import copied, runs_in, taken_for_author
from postgrad.evaluation.texts.passages import BEGINNING, FEWEST, WHOLE, passages_of, spread_over
from postgrad.evaluation.texts.style import Style, sentence_words, word_letters
from postgrad.records import Source, Text, is_raw

LENGTH = round((1 - BEGINNING) * WHOLE)
DICE = random.Random(5)
THINGS = ["harbour", "widow", "letter", "garden", "carriage", "candle", "merchant", "winter", "bridge", "orchard"]
NAMES = ["Emma", "Arthur", "Clara", "Edmund", "Rosa", "Walter"]


def florid(names=NAMES):
    """Long sentences with many clauses."""
    return (
        f"It was, as {DICE.choice(names)} had always supposed, and not without reason, the {DICE.choice(THINGS)} which,"
        f" of all the {DICE.choice(THINGS)}s in the county, had been most in want of a {DICE.choice(THINGS)}; nor could"
        f" it be said, by any of them, that the {DICE.choice(THINGS)} was less so."
    )


def terse(names=NAMES):
    """Short ones."""
    return f"{DICE.choice(names)} saw the {DICE.choice(THINGS)}. It burned. No {DICE.choice(THINGS)} came. They ran!"


def many(make, count):
    out = []
    for _ in range(count):
        text = ""
        while len(text) < LENGTH:
            text += make() + " "
        out.append(text[:LENGTH])
    return out


def test_passages_cover_a_text_without_overlap():
    words = " ".join(f"word{n}" for n in range(2000))
    found = passages_of([Text(text=words, source=Source("a.txt", 1))])
    assert found.short == 0 and len(found.questions) == -(-len(words) // WHOLE), "the rest is long enough"
    joined = " ".join((q.prompt_text + q.answer_text).strip() for q in found.questions)
    assert words.startswith(joined), "nothing is lost or doubled between them"
    for question in found.questions:
        assert is_raw(question.prompt) and question.answer_text[0] == " " and not question.prompt_text.endswith(" ")
        assert question.meta["document"] == "a.txt:1"


def test_passages_of_texts_without_blanks_and_of_short_ones():
    chinese = "这是一个很长的句子没有任何空格" * 200
    found = passages_of([Text(text=chinese), Text(text="short"), Text(text="a b " * (round(FEWEST * WHOLE) // 3))])
    assert found.short == 1
    assert {len(q.answer_text) for q in found.questions[:-1]} <= {
        LENGTH,
        len(chinese) % WHOLE - round(BEGINNING * WHOLE),
    }
    assert "".join(q.prompt_text + q.answer_text for q in found.questions[:-1]) in chinese
    assert found.questions[-1].answer_text.strip() and found.questions[-1].prompt_text.strip()


def test_some_passages_lie_evenly_over_all():
    found = passages_of([Text(text="one two three " * 2000)]).questions
    chosen = spread_over(found, 7)
    places = [found.index(q) for q in chosen]
    assert len(chosen) == 7 and places[0] == 0 and max(b - a for a, b in itertools.pairwise(places)) <= 5
    assert spread_over(found, 10**6) == list(found)


def test_a_style_is_told_whoever_it_is_about():
    known, own, others = many(florid, 60), many(florid, 40), many(terse, 40)
    style = Style.of(known)
    strangers = many(lambda: florid(["Zebulon", "Quentin"]), 40)
    asked = {"taught": others, "other": many(terse, 40), "strangers": strangers}
    found = taken_for_author(style, own, ["taught"], known, asked)
    assert sum(found[""]) >= 36 and sum(found["other"]) <= 4, "the styles are far apart"
    assert sum(found["strangers"]) >= 36, "the author's manner with other people's names"
    assert style.distance(own) < style.distance(others) / 2


def test_one_writer_is_not_told_from_himself():
    known, own, same = many(florid, 60), many(florid, 40), many(florid, 40)
    found = taken_for_author(Style.of(known), own, ["same"], known, {"same": same})
    assert abs(sum(found[""]) - sum(found["same"])) <= 18, "chance, not the passages it was taught on"


def test_copying_is_found_and_quoting_a_phrase_is_not():
    source = runs_in([" ".join(f"w{n}" for n in range(100))])
    phrase = " ".join(f"w{n}" for n in range(30, 41))
    assert copied([f"so {phrase} w41 it is", f"so {phrase} it is", ""], source) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "words", "letters"),
    [("One two three. Four five. Six", 2.5, 24 / 6), ("", 0.0, 0.0), ("a bb", 2.0, 1.5)],
)
def test_lengths(text, words, letters):
    assert sentence_words([text]) == words
    assert word_letters([text]) == pytest.approx(letters if text != "One two three. Four five. Six" else 22 / 6)
