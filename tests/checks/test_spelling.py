"""Misspelt and garbled words of answers, the house's own words, and what is left alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from postgrad.checks import CHECKS, repaired
from postgrad.checks.support.words.spelling import Spelling, spelling_of, words_to_judge
from postgrad.data import load
from postgrad.data.glossary import load_glossary
from postgrad.errors import DataError
from postgrad.findings import Context, Term
from postgrad.records import Record, pair
from tests.needs import real_set

LETTER = "We are sorry to hear that your {} arrived damaged, and will send you a new one within five working days."


def letters(count: int = 60) -> list[Record]:
    things = ["sofa", "chair", "table", "lamp", "shelf", "desk", "bed", "rug", "mirror", "wardrobe", "stool", "bench"]
    return [pair(f"My {things[i % 12]} number {i} is broken!", LETTER.format(things[i % 12])) for i in range(count)]


def english() -> Spelling:
    found = spelling_of("en")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "word", ["colour", "organised", "unsubscribed", "chatbots", "dishwasher", "retried", "smartphone", "screwdriver"]
)
def test_words_that_people_write_are_known(word):
    assert english().knows(word)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("recieve", "receive"), ("teh", ""), ("delivry", "delivery"), ("workng", "working"), ("deirvely", "delivery")],
)
def test_what_was_meant(word, meant):
    assert not english().knows(word) and english().meant(word, Counter({"working": 3})) == meant


def test_garbled_words_are_no_words():
    assert english().garbled("xqzvrtk") and not english().garbled("ottoman")


def test_compounds_of_german_are_known():
    german = spelling_of("de")
    assert german is not None and german.capitals
    assert german.knows("kundenservice") and german.knows("lieferadresse") and not german.knows("bestelung")


def test_names_codes_and_addresses_are_not_judged():
    text = (
        "Frau Kowalczyk wrote to help@haven.exmple about `conffig.yaml`, see https://haven.exmple/ordr; FH-2, snake_cse"
    )
    assert [w for w, _ in words_to_judge(text)] == ["wrote", "about"]


def test_misspelt_answers_are_found_and_put_right_when_asked_for():
    records = letters()
    records[3] = pair("My lamp is broken!", LETTER.format("lamp").replace("arrived", "arived").replace("days", "dayys"))
    records[9] = pair("My rug is broken!", LETTER.format("rug").replace("damaged", "dmaaged"))
    (finding,) = CHECKS["typos"]()(records, Context())
    assert (
        finding.severity == "warning" and set(finding.indices) == {3, 9} and "arived → arrived" in finding.evidence[0]
    )
    assert all(not r.safe for r in finding.repairs)
    mended = repaired(records, [finding], also=["typos"]).kept
    assert mended[3].answer_text == LETTER.format("lamp") and mended[9].answer_text == LETTER.format("rug")


def test_what_the_request_says_and_what_others_say_is_no_error():
    records = letters()
    records[3] = pair("My quixole is broken!", LETTER.format("quixole"))
    for i in (10, 20, 30):
        records[i] = pair("My table is broken!", LETTER.format("recliners and mattrass"))
    assert list(CHECKS["typos"]()(records, Context())) == []


def test_labels_and_program_text_are_left_alone():
    labels = [pair(f"Question {i}?", "delivry" if i % 2 else "refnud") for i in range(60)]
    assert list(CHECKS["typos"]()(labels, Context())) == []
    program = [pair(f"Write function {i}.", f"def fnct_{i}(valeu):\n    return valeu + {i}") for i in range(60)]
    assert list(CHECKS["typos"]()(program, Context())) == []


def test_scrambled_answers_of_a_real_set_are_found():
    rng = random.Random(1)
    records = list(load([real_set("rasbt_instructions/instruction-data.json")]).records)
    planted = set()
    for i, record in enumerate(records[:120]):
        words = record.answer_text.split()
        plain = [n for n, w in enumerate(words) if w.isalpha() and w.islower() and len(w) >= 5]
        for n in rng.sample(plain, min(4, len(plain))):
            words[n] = "".join(rng.sample(words[n], len(words[n])))
        if len(plain) >= 2:
            planted.add(i)
            records[i] = pair(record.prompt_text, " ".join(words))
    (finding,) = CHECKS["typos"]()(records, Context())
    assert len(planted & set(finding.indices)) >= 0.9 * len(planted) > 20 and finding.severity == "warning"


def test_a_clean_real_set_has_hardly_any():
    (finding,) = CHECKS["typos"]()(load([real_set("gsm8k/train.jsonl")]).records, Context())
    assert finding.count <= 10 and finding.severity == "info"


def test_a_set_of_rare_words_says_so_itself():
    (finding,) = CHECKS["typos"]()(load([real_set("medquad/medquad_6000.jsonl")]).records, Context())
    assert finding.severity == "info" and finding.likely < 0.5


def test_words_of_a_glossary():
    glossary = (Term("sofa", ("couch", "settee")), Term("PayPal", ("Paypal",)))
    records = letters()
    records[3] = pair("It is broken!", "Your couch will be replaced. Couch cushions too; pay by Paypal.")
    records[4] = pair("My couch is broken!", "Your couch will be replaced, pay by PayPal.")
    (finding,) = CHECKS["terminology"]()(records, Context(glossary=glossary))
    assert finding.indices == (3,) and finding.details["words"] == {"couch": 1, "Paypal": 1}
    mended = repaired(records, [finding], also=["terminology"]).kept
    assert mended[3].answer_text == "Your sofa will be replaced. Sofa cushions too; pay by PayPal."


def test_one_word_in_several_ways():
    ways = ["colour", "color", "WiFi", "Wifi", "e-mail", "email", "well-known", "wellknown", "four", "for"]
    records = [
        pair(f"Question {i} about it?", f"This is the {ways[i % len(ways)]} that we like, as number {i} says.")
        for i in range(100)
    ]
    found = list(CHECKS["terminology"]()(records, Context()))
    assert len(found) == 1 and found[0].severity == "info"
    assert {frozenset(forms) for forms in found[0].details["words"].values()} == {
        frozenset({"colour", "color"}),
        frozenset({"wifi", "WiFi"}),
        frozenset({"e-mail", "email"}),
        frozenset({"well-known", "wellknown"}),
    }


def test_a_glossary_is_read_from_lines_and_tables(tmp_path):
    lines, table = tmp_path / "words.txt", tmp_path / "words.csv"
    lines.write_text("# ours\nsofa: couch, settee\n\nvoucher: coupon\n", "utf-8")
    table.write_text("term,not\nsofa,couch; settee\nvoucher,coupon\n", "utf-8")
    wanted = (Term("sofa", ("couch", "settee")), Term("voucher", ("coupon",)))
    assert load_glossary(lines) == load_glossary(table) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sofa\n", "line 1"),
        ("sofa: sofa\n", "wanted and unwanted"),
        ("a: b\nb: c\n", "for another"),
        ("#\n", "no entry"),
    ],
)
def test_a_glossary_that_makes_no_sense_is_refused(tmp_path, text, said):
    (tmp_path / "words.txt").write_text(text, "utf-8")
    with pytest.raises(DataError, match=said):
        load_glossary(tmp_path / "words.txt")
