"""Training further from a registered model by its name."""

from __future__ import annotations

import dataclasses

import pytest

from postgrad.errors import ModelError, UsageError
from postgrad.progress import Said
from postgrad.recipe import merged
from postgrad.registry import Catalogue
from postgrad.workflows.train import train_only
from tests.workflows.jobs import finish, mails, small


def test_a_training_begins_with_a_named_model(tiny_folder, tmp_path):
    data = mails(tmp_path / "mails.jsonl")
    recipe = small(tiny_folder, **{"name": "mails", "training.max_steps": 3, "training.too_long": "drop"})
    first, _ = finish(train_only(recipe, [data]))
    assert first.entry is not None
    further = merged(recipe, {"training.start": "mails@1"})
    second, events = finish(train_only(further, [data]))
    assert any(isinstance(e, Said) and "begins with mails@1" in e.text for e in events)
    by_digest, events = finish(train_only(merged(recipe, {"training.start": first.entry.blob}), [data]))
    assert second.entry is not None and by_digest.entry is not None
    assert by_digest.entry.blob == second.entry.blob != first.entry.blob, "the same training, and a further one"
    with pytest.raises(ModelError, match="nobody"):
        finish(train_only(merged(recipe, {"training.start": "nobody"}), [data]))
    kept = dataclasses.asdict(first.entry)
    Catalogue().add(
        **{k: kept[k] for k in ("base", "method", "blob", "template", "data_hash", "report", "details")},
        name="elsewhere",
        base_hash="sha256:0",
    )
    with pytest.raises(UsageError, match="trained on another base"):
        finish(train_only(merged(recipe, {"training.start": "elsewhere"}), [data]))
