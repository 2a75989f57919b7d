"""A trained model that is worse on validation than its start is never kept, and that is said."""

from __future__ import annotations

import pytest
import torch

from postgrad.progress import Said
from postgrad.records import Message, Preference, Source
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.training.test_start import RECORDS, loss_of

ANSWERS = ("It is on its way.", "No, never, go away!")


def preferred(number, chosen, rejected):
    asked = (Message("user", f"Where is my order number {number}?"),)
    told = [(Message("assistant", text),) for text in (chosen, rejected)]
    return Preference(prompt=asked, chosen=told[0], rejected=told[1], source=Source("p.jsonl", number))


def trained(tiny, folder, records, held, general=(), **plan):
    settings = {"rank": 4, "alpha": 8, "epochs": 4, "warmup": 0.0, "validate_every": 1, **plan}
    work, said = train(tiny, records, held, Plan(**settings), RunFolder(folder), {}, lambda: False), []
    while True:
        try:
            event = next(work)
        except StopIteration as done:
            return done.value, said
        said += [event.text] if isinstance(event, Said) and event.warning else []


def test_preferences_that_validation_contradicts(tiny, tmp_path):
    agree = [preferred(i, *ANSWERS) for i in range(12)]
    contradict = [preferred(i, *ANSWERS[::-1]) for i in range(12, 16)]
    plan = {"objective": "dpo", "learning_rate": 1e-2}
    done, said = trained(tiny, tmp_path / "a", agree, contradict, **plan)
    assert done.part.best_step == 0 and min(v for _, v in done.part.validation_loss) > 0.6931
    assert done.part.in_words.startswith("Nothing was learned: validation was 0.693") and any(
        text.startswith("Nothing was learned") for text in said
    )
    assert loss_of(tiny, done.trained) == pytest.approx(loss_of(tiny, None), rel=1e-6), "the start is kept"
    good, said = trained(tiny, tmp_path / "b", agree, agree[:4], **plan)
    assert good.part.best_step and not said, "the rule can tell them apart"


@pytest.mark.parametrize(("method", "rate"), [("lora", 3.0), ("full", 30.0)])
def test_a_rate_that_breaks_the_model(tiny, tmp_path, method, rate):
    before = {n: p.detach().clone() for n, p in tiny.module.named_parameters()}
    plan = {"method": method, "learning_rate": rate, "max_steps": 2}
    done, _ = trained(tiny, tmp_path, RECORDS[:12], RECORDS[12:], **plan)
    assert done.part.best_step == 0 and done.part.steps == 2
    assert loss_of(tiny, done.trained) == pytest.approx(loss_of(tiny, None), rel=1e-6)
    assert all(torch.equal(before[n], p) for n, p in tiny.module.named_parameters())
