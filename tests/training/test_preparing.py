"""No record is lost on the way to an example: each is trained on, counted as dropped, or named in the error."""

import pytest

from postgrad.errors import DataError
from postgrad.records import Conversation, Message, Preference, Source, Task, Text
from postgrad.training.objectives import make_objective


def asked(i, words):
    return (Message("user", f"Order {i}? " + "please " * words),)


def conversation(i, words=0):
    answer = Message("assistant", f"Order {i} is here.")
    return Conversation(messages=(*asked(i, words), answer), source=Source("x.jsonl", i))


def preference(i, words=0):
    good, bad = (Message("assistant", "Here it is."),), (Message("assistant", "No."),)
    return Preference(prompt=asked(i, words), chosen=good, rejected=bad, source=Source("x.jsonl", i))


def task(i, words=0):
    return Task(prompt=asked(i, words), reference="yes", source=Source("x.jsonl", i))


KINDS = [
    ("sft", conversation, "examples", {}),
    ("dpo", preference, "pairs", {}),
    ("simpo", preference, "pairs", {}),
    ("grpo", task, "prompts", {"reward": list, "answer_tokens": 4}),
]


@pytest.mark.parametrize(("name", "record", "word", "options"), KINDS)
def test_every_fault_is_named_and_what_is_dropped_is_counted(tiny, name, record, word, options):
    rows = [record(i + 1, words=60 if i % 7 else 0) for i in range(14)]
    with pytest.raises(DataError) as caught:
        make_objective(name, tiny.renderer, max_length=80, **options).prepare(rows)
    said = str(caught.value)
    assert said.startswith(f"12 of 14 {word} cannot be trained on") and said.endswith("and 2 more")
    named = [i for i in range(1, 15) if f"x.jsonl:{i} " in said or f"x.jsonl:{i}:" in said]
    assert named == [2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    dropping = make_objective(name, tiny.renderer, max_length=80, too_long="drop", **options).prepare(rows)
    assert (len(dropping.examples), dropping.dropped) == (2, 12)


@pytest.mark.parametrize(("name", "record", "word", "options"), KINDS)
def test_another_kind_of_record_is_refused_by_its_place(tiny, name, record, word, options):
    with pytest.raises(DataError, match=r"x\.jsonl:9: .* trains on .*, not on Text\.\n\w"):
        make_objective(name, tiny.renderer, **options).prepare([record(1), Text(text="a", source=Source("x.jsonl", 9))])
