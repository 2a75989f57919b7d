"""Training further: it begins exactly where the earlier training ended; and the share of right tokens that is
counted."""

import math

import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.errors import UsageError
from postgrad.models.adapters.lora import attach, taken
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.records import Message, Preference, Source, pair
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from postgrad.training.parallel import World
from postgrad.training.token_accuracy import Hits
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder, Step

RECORDS = [
    pair(f"Where is order {i}?", f'{{"order":{i},"late":{str(i % 3 == 0).lower()}}}', source=Source("t.csv", i + 1))
    for i in range(16)
]


def run(tiny, folder, **plan):
    settings = {"rank": 4, "alpha": 8, "learning_rate": 1e-2, "epochs": 3, "warmup": 0.0, **plan}
    work = train(tiny, RECORDS[:12], RECORDS[12:], Plan(**settings), RunFolder(folder), {}, lambda: False)
    steps = []
    while True:
        try:
            event = next(work)
        except StopIteration as done:
            outcome = done.value
            break
        steps += [event] if isinstance(event, Step) else []
    (folder / "blob").mkdir()
    outcome.trained.save(folder / "blob", "tiny")
    return outcome, steps, Blobs().put_folder(folder / "blob")


def loss_of(tiny, weights):
    objective = make_objective("sft", tiny.renderer)
    held = objective.prepare(RECORDS[:12]).examples
    tiny.use(weights, None)
    with torch.no_grad():
        total = objective.loss(Forward(tiny), held).item()
    tiny.use(None)
    return total / sum(objective.weight(e) for e in held)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"method": "dora"}, {"method": "dora"}),
        ({"targets": "q_proj,v_proj"}, {"targets": "q_proj,v_proj"}),
        ({"method": "full", "learning_rate": 1e-3}, {"method": "full"}),
        ({}, {"method": "full"}),
    ],
)
def test_it_begins_where_the_earlier_one_ended(tiny, tmp_path, first, second):
    outcome, _, blob = run(tiny, tmp_path / "a", **first)
    ended = loss_of(tiny, load_trained(tmp_path / "a" / "blob"))
    assert ended < 0.97 * loss_of(tiny, None)
    _, steps, more = run(
        tiny, tmp_path / "b", **{**second, "start": blob, "batch_size": 12, "epochs": 1, "learning_rate": 1e-9}
    )
    assert steps[0].loss == pytest.approx(ended, rel=2e-3)
    assert loss_of(tiny, load_trained(Blobs().get_folder(more))) == pytest.approx(ended, rel=2e-3)
    further, steps, _ = run(tiny, tmp_path / "c", **{**second, "start": blob, "learning_rate": 2e-3})
    assert loss_of(tiny, further.trained) < ended and outcome.part.best_step


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({}, {"rank": 8}, "training.rank to 4"),
        ({}, {"alpha": 16}, "training.alpha to 8"),
        ({}, {"method": "dora"}, "training.method to lora"),
        ({}, {"targets": "q_proj"}, "training.targets to "),
        ({"method": "full"}, {}, "training.method to full"),
        ({"method": "full", "embeddings": True}, {"method": "full"}, "training.embeddings"),
    ],
)
def test_another_shape_is_refused_with_the_setting_that_fits(tiny, tmp_path, first, second, says):
    _, _, blob = run(tiny, tmp_path / "a", **{**first, "max_steps": 1})
    with pytest.raises(UsageError) as caught:
        run(tiny, tmp_path / "b", **{**second, "start": blob})
    assert says in str(caught.value)


def test_right_tokens_are_counted_as_the_model_itself_says(tiny, tmp_path):
    objective = make_objective("sft", tiny.renderer)
    examples = objective.prepare(RECORDS).examples
    right = seen = 0
    for e in examples:
        likeliest = tiny.module(torch.tensor([e.ids])).logits[0].argmax(-1)
        places = [t for t, w in enumerate(e.weights) if w > 0 and t > 0]
        right += sum(int(likeliest[t - 1]) == e.ids[t] for t in places)
        seen += len(places)
    for way in ("fused", "packed", "padded"):
        forward = Forward(tiny)
        forward.way, forward.hits = way, Hits()
        with torch.no_grad():
            for e in examples:
                objective.loss(forward, [e])
        assert forward.hits.taken(World()) == {"eval_token_accuracy": pytest.approx(right / seen, abs=0.02)}
        assert forward.hits.taken(World()) == {}
    _, steps, _ = run(tiny, tmp_path / "a", epochs=12)
    assert all(0 <= s.metrics["token_accuracy"] <= 1 for s in steps)
    assert steps[-1].metrics["token_accuracy"] > steps[0].metrics["token_accuracy"]
    assert [("eval_token_accuracy" in s.metrics) for s in steps] == [s.validation_loss is not None for s in steps]


@pytest.mark.parametrize("method", ["lora", "dora", "full"])
def test_preferences_after_a_training_are_measured_from_the_model_it_left(tiny, tmp_path, method):
    """Before the first step nothing has moved: the loss of dpo is log 2, whatever the model starts from."""
    _, _, blob = run(tiny, tmp_path / "a", method=method, learning_rate=1e-3 if method == "full" else 1e-2)
    pairs = [
        Preference(
            prompt=r.messages[:1],
            chosen=r.messages[1:],
            rejected=(Message("assistant", "no"),),
            source=r.source,
        )
        for r in RECORDS
    ]
    plan = Plan(
        objective="dpo", method=method, start=blob, rank=4, alpha=8, batch_size=12, epochs=2, learning_rate=1e-3
    )
    work = train(tiny, pairs[:12], pairs[12:], plan, RunFolder(tmp_path / "b"), {}, lambda: False)
    losses = [event.loss for event in work if isinstance(event, Step)]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert losses[-1] < losses[0] - 1e-3


def test_the_starting_model_can_be_asked_at_any_step(tiny):
    """The adapters of the start inside the block, those of the training after it, to the bit."""
    from postgrad.training.methods import Attached

    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    for layer in layers.values():
        torch.nn.init.normal_(layer.lora_B)
    method = Attached(lambda: taken(layers, 8), layers, started=True)
    started = taken(layers, 8)
    for layer in layers.values():
        layer.lora_B.data.mul_(3)
    trained = taken(layers, 8)
    with method.as_start():
        inside = taken(layers, 8)
    after = taken(layers, 8)
    for name in layers:
        assert torch.equal(inside.tensors[name][1], started.tensors[name][1])
        assert torch.equal(after.tensors[name][1], trained.tensors[name][1])
