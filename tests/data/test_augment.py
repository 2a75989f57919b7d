"""Made records: noise that leaves alone what the answer depends on, and a sieve that lets only good ones through."""

from __future__ import annotations

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.data.augment import ASKING, METHODS
from postgrad.data.augment.examples import examples
from postgrad.data.augment.keep import WINDOWS, Window, keep
from postgrad.data.augment.method import Proposal, Refused, request_of, to_row, with_request
from postgrad.data.augment.noise import noise, noisy
from postgrad.data.augment.paraphrase import paraphrase
from postgrad.data.load import load
from postgrad.data.split.synthetic import MARK, is_synthetic, mark, origin_hash
from postgrad.errors import UsageError
from postgrad.records import Message, Preference, Task, pair

THINGS = ("sofa", "lamp", "wardrobe", "bookcase", "armchair", "nightstand", "sideboard", "mattress")
PLACES = ("Halden", "Bergen", "Oslo", "Moss", "Drammen", "Narvik")


def requests(count: int = 48) -> list:
    out = []
    for i in range(count):
        thing, place = THINGS[i % 8], PLACES[i // 8 % 6]
        text = f"Please tell me, when will the {thing} with order number FH-{1000 + i} finally arrive in {place}?"
        out.append(pair(text, json.dumps({"thing": thing, "order": f"FH-{1000 + i}", "place": place})))
    return out


def done(work):
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 47), st.integers(0, 10_000))
def test_noise_never_touches_what_the_answer_hangs_on(index, seed):
    record = requests()[index]
    text = f"{record.prompt_text} Write to a.person@example.org or see `SELECT name FROM orders`, in 12 days."
    changed = noisy(text, record.answer_text, random.Random(seed))
    assert changed is not None and changed.casefold() != text.casefold()
    for value in (*json.loads(record.answer_text).values(), "a.person@example.org", "`SELECT name FROM orders`", "12"):
        assert value in changed
    assert 0.7 < len(changed) / len(text) < 1.2


def test_noise_is_the_same_for_the_same_seed_and_another_for_each_copy():
    records = requests()
    first, again, other = (done(noise(records, 3, seed)) for seed in (0, 0, 1))
    assert first == again and first != other
    assert done(noise(records[5:6], 3, 0))[0].record == first[15].record, "whatever the other records are"
    made = first[0].record
    assert made.answer_text == records[0].answer_text and is_synthetic(made)
    assert made.meta[MARK] == {"method": "noise", "of": origin_hash(records[0]), "teacher": None}
    nothing = done(noise([pair("FH-1001", "x")], 1, 0))
    assert isinstance(nothing[0], Refused) and nothing[0].reason == "nothing_to_alter"


def test_other_kinds_keep_their_answers():
    ask = (Message("system", "Be kind."), Message("user", "Where is the wardrobe that was promised?"))
    task = Task(prompt=ask, reference="soon", fields={"x": 1})
    preference = Preference(prompt=ask, chosen=(Message("assistant", "a"),), rejected=(Message("assistant", "b"),))
    for record in (task, preference):
        made = with_request(record, "other words", {MARK: mark("noise", [record])})
        assert request_of(made) == "other words" and made.answer_text == record.answer_text
        assert made.prompt[0].content == "Be kind."


def test_what_is_written_is_read_back_with_its_mark(tmp_path):
    made = [p.record for p in done(noise(requests(), 1, 0)) if isinstance(p, Proposal)]
    path = tmp_path / "made.jsonl"
    path.write_text("".join(json.dumps(to_row(r)) + "\n" for r in made))
    assert [(r.prompt_text, r.answer_text, r.meta) for r in load([path]).records] == [
        (r.prompt_text, r.answer_text, dict(r.meta)) for r in made
    ]


def proposal(text: str, answer: str, *originals: int, records=None) -> Proposal:
    return Proposal(pair(text, answer, meta={MARK: mark("paraphrase", [records[i] for i in originals])}), originals)


def test_the_sieve_gives_a_reason_for_everything():
    records = requests()
    train, held = records[:40], records[40:]
    answer = train[0].answer_text
    good = "On what day is the sofa of FH-1000 going to reach Halden?"
    cases = {
        None: good,
        "empty": " ",
        "chatter": "Sure, here is it: when will the sofa FH-1000 come to Halden?",
        "length": "sofa FH-1000 Halden " * 40,
        "lost_detail": "On what day is the sofa going to reach Halden?",
        "repeats": train[0].prompt_text.upper(),
        "near_duplicate": train[0].prompt_text.replace("finally ", ""),
        "near_held_out": held[0].prompt_text.replace("finally", "finaly") + " sofa FH-1000 Halden",
        "too_far": "FH-1000 sofa Halden jazz trumpet melody concert volcano",
    }
    for reason, text in cases.items():
        window = Window(0.95) if reason == "too_far" else WINDOWS["paraphrase"]
        found = done(keep([proposal(text, answer, 0, records=train)], train, held, window))
        assert ([r.reason for r in found.refused] or [None]) == [reason], (reason, found)
    twice = done(keep([proposal(good, answer, 0, records=train)] * 2, train, held, WINDOWS["paraphrase"]))
    assert len(twice.kept) == 1 and twice.reasons == {"repeats": 1}
    wrong = done(keep([proposal(good, '{"thing": "sofa"}', 0, records=train)], train, held, WINDOWS["paraphrase"]))
    assert wrong.reasons == {"structure": 1}


def test_agreement_is_asked_last_and_decides():
    train = requests()[:40]
    texts = [
        "On what day is the sofa of FH-1000 going to reach Halden?",
        "Does FH-1001, a lamp, get to Halden this week?",
    ]
    proposals = [proposal(t, train[i].answer_text, i, records=train) for i, t in enumerate(texts)]
    proposals.append(proposal("", "", 2, records=train))
    asked = []

    def agree(records):
        asked.extend(records)
        yield from ()
        return [(1.0, "right"), (0.0, "no idea")][: len(records)]

    found = done(keep(proposals, train, [], WINDOWS["paraphrase"], agree=agree))
    assert len(asked) == 2 and len(found.kept) == 1
    assert found.reasons == {"empty": 1, "no_agreement": 1} and "no idea" in found.refused[1].why
    assert "agreement 1.00" in found.doubtful()[0].why


def teacher(reply):
    def ask(prompts):
        yield from ()
        return [reply(p[-1].content) for p in prompts]

    return ask


def test_paraphrases_are_asked_in_different_manners():
    seen = []
    reply = lambda wish: seen.append(wish) or 'Message: "other words"'  # noqa: E731
    made = done(paraphrase(requests(4), 3, 0, teacher(reply), "t"))
    assert len(set(seen)) == 12 and {p.record.prompt_text for p in made} == {"other words"}
    assert made[0].record.meta[MARK]["teacher"] == "t" and made[0].record.answer_text == requests(4)[0].answer_text
    spent = done(paraphrase(requests(2), 1, 0, teacher(lambda _: None), "t"))
    assert [r.reason for r in spent] == ["budget"] * 2


def test_new_examples_are_read_or_refused():
    records = [pair(f"{'bad' if i % 2 else 'good'} thing number {i}", "no" if i % 2 else "yes") for i in range(20)]

    def reply(wish):
        label = re.search(r"must be '(\w+)'", wish)[1]
        return f'Here: {{"request": "brand new {label}", "answer": "{label}"}}' if label == "yes" else '{"request": 1}'

    made = done(examples(records, 1, 0, teacher(reply), "t"))
    kept = [p for p in made if isinstance(p, Proposal)]
    assert len(kept) == 10 and all(p.record.answer_text == "yes" and len(p.originals) == 3 for p in kept)
    assert {r.reason for r in made if isinstance(r, Refused)} == {"garbled"}
    wrong = done(examples(records, 1, 0, teacher(lambda _: '{"request": "x", "answer": "perhaps"}'), "t"))
    assert {r.reason for r in wrong} == {"wrong_label"}


def test_methods_that_ask_need_a_teacher():
    for name in ASKING:
        with pytest.raises(UsageError, match="teacher"):
            done(METHODS[name](requests(4), 1, 0, None, None))
