"""Ways without a language model: they answer from training and the request alone, and say how sure they are."""

import json

import pytest

from postgrad.costs import MachinePrice
from postgrad.evaluation import plain_arms
from postgrad.evaluation.measure import NO_MODEL, Answers, Measuring, PreparedArm, measure
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.records import Conversation, Record, pair
from tests.workflows.jobs import finish

THINGS = {"refund": "give me my money back for", "delivery": "when does the parcel arrive with", "defect": "broken:"}


def examples(count: int, start: int = 0) -> list[Conversation]:
    labels = list(THINGS)
    return [
        pair(f"{THINGS[label]} lamp {n}", label)
        for n in range(start, start + count)
        for label in (labels[n % len(labels)],)
    ]


def answers(arm, records: list[Record]) -> list[str]:
    return [c.text for c in arm.reply(records)]


def test_a_classifier_and_the_nearest_example_know_labels():
    train, validation, test = examples(60), examples(12, 60), examples(30, 80)
    wanted = [r.answer_text for r in test]
    found = plain_arms.classifier(train, validation)
    assert answers(found, test) == wanted
    assert answers(plain_arms.nearest(train), test) == wanted
    sure = [c.logprob for c in found.reply(test)]
    assert all(-0.7 < value <= 0 for value in sure), "of three labels the right one has more than half"
    assert "3 labels" in found.note and "60" in plain_arms.nearest(train).note


def test_labels_keep_the_spelling_of_training():
    train = [pair(f"{i} apples", "Fruit " if i % 2 else " fruit") for i in range(10)] + [
        pair(f"{i} bolts", "Metal") for i in range(10)
    ]
    assert {a.strip() for a in answers(plain_arms.classifier(train, []), train)} == {"fruit", "Metal"}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("We sell lamps. And chairs.", "We sell lamps."),
        ("Version 3.11 came. Fine", "Version 3.11 came."),
        ("no stop\nsecond line", "no stop"),
        ("何ですか？ はい。", "何ですか？"),
        ("", ""),
    ],
)
def test_the_first_sentence(text, first):
    assert answers(plain_arms.first_sentence(), [pair(text, "x")]) == [first]
    assert answers(plain_arms.echo(), [pair(text, "x")]) == [text]


def test_no_answer_of_a_test_record_is_read():
    """An arm that peeked would follow the answer."""
    train, test = examples(30), examples(6, 40)
    changed = [pair(r.prompt_text, "peeked") for r in test]
    for arm in (
        plain_arms.constant("x"),
        plain_arms.nearest(train),
        plain_arms.classifier(train, []),
        plain_arms.echo(),
    ):
        assert answers(arm, test) == answers(arm, changed)


def test_they_are_measured_like_every_arm_and_read_no_model(tmp_path):
    records = examples(20)
    how = Measuring(None, None, Answers(tmp_path / "none", {}, lambda _: None), MachinePrice(1.0, ""), lambda: False)  # type: ignore[arg-type]
    arm = plain_arms.nearest(records)
    result, _ = finish(measure(how, PreparedArm.of(arm, None, records), choose_metric(records)))  # type: ignore[arg-type]
    assert result.score.value == 1 and result.model == NO_MODEL and result.cost_per_1000 is not None
    assert result.confidences == pytest.approx([1.0] * 20, abs=1e-3) and result.prompt_tokens_mean == 0
    assert json.dumps(result.metrics)
