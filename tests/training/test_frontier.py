"""Replay of the base's own answers: what is learned of them, how they count, and which checkpoint is kept."""

import math
from collections import Counter

import pytest
import torch

from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.models.rendering.render import Rendered
from postgrad.progress import finished
from postgrad.records import Conversation, Message
from postgrad.training.forward import Forward
from postgrad.training.loop import Settings, Trainer
from postgrad.training.methods import Attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.replay import CUT, GAIN, MOST, Replayed, WithReplay, without_end
from postgrad.training.parallel import World
from postgrad.training.trainer import Plan, train
from postgrad.training.weights.frontier import Frontier, Measured
from postgrad.training_run import RunFolder
from tests.training.test_training import RECORDS, same, stir

OWN = [
    Conversation(
        messages=(Message("user", f"Tell me about {word}."), Message("assistant", f"{word} is a good thing to have")),
        meta={CUT: i % 2 == 1},
    )
    for i, word in enumerate(["Tea", "Rain", "Bread", "Chess", "Snow", "Light"])
]


def begun(model, folder, rank=4, general=OWN[4:]):
    """A trainer with replay and a frontier, as `train` makes it."""
    objective = make_objective("sft", model.renderer)
    task, held, own, aside = (
        list(objective.prepare(records).examples) for records in (RECORDS[:12], RECORDS[18:], OWN[:4], general)
    )
    layers = attach(model.module, rank=rank, alpha=8, seed=0)
    method = Attached(lambda: taken(layers, 8), layers)
    forward = Forward(model)
    forward.choose(task)
    mixing = WithReplay(objective, method, 1.0, target=0.001)
    examples = mixing.mixed(task, mixing.balanced(task, own), 0.25)
    frontier = Frontier(forward, method, held, aside, 160, World())
    settings = Settings(total_steps=8, batch_size=4, learning_rate=5e-3, validate_every=2, token_budget=160)
    return layers, Trainer(forward, mixing, examples, held, settings, RunFolder(folder), {"d": "x"}, frontier=frontier)


def test_an_answer_that_was_cut_teaches_no_end(tiny):
    whole, cut = (make_objective("sft", tiny.renderer).prepare([OWN[i]]).examples[0] for i in (0, 1))
    shorter = without_end(cut, tiny.renderer.end_ids)
    taught = [cut.ids[t] for t, w in enumerate(shorter.weights) if w > 0]
    assert tiny.renderer.decode(taught) == OWN[1].answer_text and not set(taught) & tiny.renderer.end_ids
    assert shorter.ids == cut.ids and cut.supervised - shorter.supervised >= 1
    assert {whole.ids[t] for t, w in enumerate(whole.weights) if w > 0} & tiny.renderer.end_ids


def test_general_examples_count_as_much_as_an_average_one_of_the_task(tiny):
    objective = make_objective("sft", tiny.renderer)
    mixing = WithReplay(objective, Attached(dict, {}), 0.0)
    task, own = objective.prepare(RECORDS[:12]).examples, objective.prepare(OWN).examples
    mixed = mixing.mixed(task, mixing.balanced(task, own), 0.25)
    general = [e for e in mixed if isinstance(e, Replayed)]
    usual = sum(map(mixing.weight, task)) / 12
    assert len(general) == 4 and [mixing.weight(e) for e in general] == pytest.approx([usual] * 4)
    assert usual != pytest.approx(objective.weight(own[0])), "else nothing was balanced"


@pytest.mark.parametrize(("share", "a_step"), [(0.2, [1, 1, 1, 1]), (1 / 9, [1, 0, 1, 0]), (0.5, [4, 4, 4, 4])])
def test_every_step_has_as_many_task_examples_as_without_replay_and_its_share_beside_them(tiny, share, a_step):
    """An epoch shows each example of the task once, in the order of a training without replay."""
    objective = make_objective("sft", tiny.renderer)
    mixing = WithReplay(objective, Attached(dict, {}), 0.0)
    task, own = objective.prepare(RECORDS[:16]).examples, objective.prepare(OWN).examples
    mixed = mixing.mixed(task, own, share)
    steps = [mixing.draw(mixed, 4, 7, number) for number in range(1, 5)]
    assert mixing.an_epoch(mixed) == 16
    assert [sum(isinstance(e, Replayed) for e in step) for step in steps] == a_step
    for number, step in enumerate(steps, 1):
        assert [e for e in step if not isinstance(e, Replayed)] == objective.draw(task, 4, 7, number)
    seen = [e for step in steps for e in step if isinstance(e, Replayed)]
    assert max(Counter(e.ids for e in seen).values()) <= -(-len(seen) // len(own)), "none again before all were seen"


@pytest.mark.parametrize("kill_after", [1, 3, 5])
def test_killed_and_resumed_equals_uninterrupted_with_replay_and_frontier(tiny, tmp_path, kill_after):
    layers, trainer = begun(tiny, tmp_path / "whole")
    list(trainer.run(checkpoint_every=2))
    trainer.use_best()
    whole, found, kept = taken(layers, 8).tensors, trainer.progress.metrics, trainer.progress.kept_step
    detach(tiny.module, layers)
    layers, trainer = begun(tiny, tmp_path / "parts")
    steps = trainer.run(checkpoint_every=2)
    for _ in range(kill_after):
        next(steps)
    detach(tiny.module, layers)
    layers, trainer = begun(tiny, tmp_path / "parts")
    list(trainer.run(checkpoint_every=2))
    trainer.use_best()
    assert same(whole, taken(layers, 8).tensors)
    assert trainer.progress.metrics == found and trainer.progress.kept_step == kept > 0
    weights = [weight for _, weight in found["replay_weight"]]
    assert weights[-1] > weights[0] == 1.0, "the weight is part of the state, and it changed"


def test_the_distances_are_those_of_the_whole_distributions(tiny, tmp_path):
    """KL(model ‖ base) per supervised token by hand, and the loss as validation computes it."""
    layers, trainer = begun(tiny, tmp_path)
    assert trainer.frontier.measure().general == pytest.approx(0.0, abs=1e-6), "nothing was trained yet"
    stir(layers)
    found = trainer.frontier.measure()
    for batch, distance in ((trainer.validation, found.task), (trainer.frontier.general, found.general)):
        total, count = 0.0, 0
        for e in batch:
            ids, places = torch.tensor([e.ids]), [t - 1 for t, w in enumerate(e.weights) if w]
            with torch.no_grad():
                now = torch.log_softmax(tiny.module(ids).logits[0, places], -1)
                with Attached(dict, layers).as_base():
                    base = torch.log_softmax(tiny.module(ids).logits[0, places], -1)
            total += (now.exp() * (now - base)).sum().item()
            count += len(places)
        assert distance == pytest.approx(total / count, rel=1e-3) and distance > 0.01
    assert found.loss == pytest.approx(trainer.validation_loss(), rel=1e-5)
    assert len(found.losses) == len(trainer.validation)
    assert trainer.hits.taken(World())["eval_token_accuracy"] >= 0


def offered(points):
    """A frontier that was offered checkpoints: (losses of three examples, distance on general prompts)."""
    frontier = object.__new__(Frontier)
    frontier.candidates = []
    for step, (losses, general) in enumerate(points, 1):
        loss = sum(losses) / len(losses)
        frontier.offer(step, Measured(loss, losses, 0.0, general), {"w": torch.tensor([float(step)])})
    return frontier


def test_the_nearest_checkpoint_that_is_not_worse_is_kept():
    clearly = offered([([3.0, 3.1, 3.0], 0.1), ([1.0, 1.1, 1.2], 0.5)])
    assert clearly.chosen.step == 2 and len(clearly.candidates) == 1, "the first is worse by far: it is let go"
    alike = offered([([1.0, 1.3, 0.9], 0.2), ([1.1, 1.0, 1.0], 0.5)])
    assert alike.chosen.step == 1 and alike.chosen.weights["w"].item() == 1
    assert "within one standard error" in alike.in_words([(1, 0.2), (2, 0.5)])
    dominated = offered([([1.1, 1.2, 1.0], 0.5), ([1.0, 1.2, 1.0], 0.3)])
    assert [c.step for c in dominated.candidates] == [2]
    later = offered([([1.0, 1.3, 0.9], 0.2), ([1.1, 1.0, 1.0], 0.5), ([0.5, 0.5, 0.5], 0.9)])
    assert later.chosen.step == 3, "a candidate goes when a later one is clearly better"
    assert "no checkpoint" in later.in_words([(3, 0.9)])
    one = offered([([1.0], 0.1), ([0.9], 0.4)])
    assert one.chosen.step == 2, "one example tells no error: the lower loss is kept"


def test_what_is_kept_and_said(tiny, tmp_path):
    """The result has the kept checkpoint's weights; the report counts replay and holds the distances."""
    plan = Plan(rank=4, alpha=8, epochs=3, batch_size=4, learning_rate=2e-2, base_replay=0.25)
    work = train(
        tiny, RECORDS[:12], RECORDS[18:], plan, RunFolder(tmp_path), {"d": "x"}, lambda: False, OWN[:4], None, OWN[4:]
    )
    part = finished(work).part
    assert (part.examples, part.replayed) == (16, 4)
    assert "4 of 16 training examples were replay: the base's own answers" in part.in_words
    distances = dict(part.metrics["eval_kl_general"])
    assert set(distances) == {s for s, _ in part.validation_loss} == set(dict(part.metrics["eval_kl_task"]))
    assert part.best_step in distances and f"step {part.best_step}" in part.in_words
    assert all(math.isfinite(v) and v >= -1e-6 for v in distances.values())


def test_replay_holds_the_model_nearer_to_its_base(tiny, tmp_path):
    """The same task steps with and without: with replay the distance on unseen general prompts is smaller."""
    ends = {}
    for name, share in (("with", 0.5), ("without", 0.0)):
        plan = Plan(rank=4, alpha=8, epochs=6, batch_size=4, learning_rate=1e-2, base_replay=share)
        own = OWN[:4] if share else ()
        folder = RunFolder(tmp_path / name)
        work = train(tiny, RECORDS[:12], RECORDS[18:], plan, folder, {"d": "x"}, lambda: False, own, None, OWN[4:])
        ends[name] = finished(work).part.metrics["eval_kl_general"][-1][1]
    assert ends["with"] < 0.7 * ends["without"]


def test_the_weight_rises_while_the_model_is_too_far_and_falls_again(tiny):
    mixing = WithReplay(make_objective("sft", tiny.renderer), Attached(dict, {}), 2.0, target=0.1)

    def told(far, times=1):
        for _ in range(times):
            mixing.measured({"replay_kl": far})
        return mixing.divergence

    assert told(0.01) == 2.0, "never below its beginning"
    assert told(0.1 * math.e**0.5) == pytest.approx(2 * math.e ** (0.5 * GAIN))
    assert told(9.0) == pytest.approx(2 * math.e ** (1.5 * GAIN)), "one step is no more than its gain, however far"
    assert told(9.0, 100) == 2 * MOST
    mixing.measured({})
    assert mixing.divergence == 2 * MOST, "a step without general examples says nothing"
    assert told(0.01, 3) == pytest.approx(2 * MOST * math.e ** (-3 * GAIN)) and told(0.0, 100) == 2.0


def test_a_target_holds_the_model_nearer_than_the_weight_that_it_begins_with(tiny, tmp_path):
    ends = {}
    for target in (0.0, 0.002):
        settings = {"base_replay": 0.5, "replay_kl_target": target}
        plan = Plan(rank=4, alpha=8, epochs=25, batch_size=4, learning_rate=1e-2, **settings)
        folder = RunFolder(tmp_path / str(target))
        work = train(tiny, RECORDS[:12], RECORDS[18:], plan, folder, {"d": "x"}, lambda: False, OWN[:4], None, OWN[4:])
        part = finished(work).part
        ends[target] = part.metrics["replay_kl"][-1][1]
        weights = {weight for _, weight in part.metrics["replay_weight"]}
        assert (weights == {1.0}) is (target == 0.0)
    assert ends[0.002] < 0.7 * ends[0.0]


def test_as_many_right_answers_are_as_good_though_the_loss_is_higher(tiny, tmp_path):
    """A later checkpoint, surer of the same answers, has a clearly higher loss and is far nearer to the base."""
    _, trainer = begun(tiny, tmp_path)
    weights, frontier = trainer.optimizer.parameters, trainer.frontier
    frontier.offer(1, Measured(1.0, [1.0, 1.1, 0.9, 1.0], 1.0, 0.9, right=[1, 1, 0, 1]), weights)
    frontier.offer(2, Measured(2.0, [2.0, 2.1, 1.9, 2.0], 1.0, 0.3, right=[1, 0, 1, 1]), weights)
    assert frontier.chosen.step == 2
    assert "no other has more right validation answers (3 of 4)" in frontier.in_words([(2, 0.3)])
    frontier.offer(3, Measured(2.0, [2.0, 2.1, 1.9, 2.0], 1.0, 0.1, right=[1, 0, 0, 1]), weights)
    assert frontier.chosen.step == 2, "one answer fewer is worse"
    frontier.offer(4, Measured(1.5, [1.5, 1.6, 1.4, 1.5], 1.0, 0.5, right=[1, 1, 1, 1]), weights)
    assert frontier.chosen.step == 4, "one more is better, and the others were clearly worse by the loss or farther"


def test_right_answers_are_counted_token_by_token(tiny, tmp_path):
    layers, trainer = begun(tiny, tmp_path)
    stir(layers)
    ids = list(trainer.validation[0].ids[:9])
    for _ in range(4):  # what the model itself would say, and the same with another last token
        ids.append(int(tiny.module(torch.tensor([ids])).logits[0, -1].argmax()))
    weights = (0.0,) * 9 + (1.0,) * 4
    own, other = Rendered(tuple(ids), weights), Rendered((*ids[:-1], (ids[-1] + 1) % 420), weights)
    trainer.frontier.held = [own, other, Rendered(own.ids, own.weights, origin="again")]
    assert trainer.frontier.measure().right == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(("worse_below", "share"), [(1.0, 1.0), (0.8, 0.875), (0.6, 0.625), (0.0, 0.5)])
def test_the_kept_weights_go_back_towards_the_base_as_far_as_the_task_allows(tiny, tmp_path, worse_below, share):
    """The loss is the same down to a share of the weights, and distinguishably worse below it."""
    layers, trainer = begun(tiny, tmp_path)
    stir(layers)
    parameters = trainer.optimizer.parameters
    whole = {n: p.detach().clone() for n, p in parameters.items()}
    name = next(n for n in parameters if n.endswith("lora_B"))

    def measured():
        now = float(parameters[name].detach().norm() / whole[name].norm())
        losses = [1.0 + (now < worse_below - 1e-6) + 0.01 * i for i in range(4)]
        return Measured(sum(losses) / 4, losses, task=1.0, general=now**2)

    trainer.frontier.measure = measured
    trainer.frontier.offer(8, measured(), parameters)
    trainer.frontier.offer_nearer(parameters)
    chosen = trainer.frontier.chosen
    assert (chosen.step, chosen.share) == (8, share) and chosen.general == pytest.approx(share**2)
    for n, value in chosen.weights.items():
        assert torch.allclose(value, whole[n] * share if n.endswith("lora_B") else whole[n])
    said = trainer.frontier.in_words([(8, 1.0)])
    assert (f"{share:g} of the way from the base" in said) is (share < 1)


def test_full_training_learns_the_answers_where_there_is_no_base_to_ask(tiny, tmp_path):
    plan = Plan(method="full", epochs=1, batch_size=4, base_replay=0.25)
    folder = RunFolder(tmp_path)
    work = train(tiny, RECORDS[:12], RECORDS[18:], plan, folder, {"d": "x"}, lambda: False, OWN[:4], None, OWN[4:])
    part = finished(work).part
    assert part.replayed == 4 and "eval_kl_general" not in part.metrics


def test_nothing_to_replay_is_no_replay(tiny):
    mixing = WithReplay(make_objective("sft", tiny.renderer), Attached(dict, {}), 0.0)
    task = [Rendered((1, 2), (0.0, 1.0))]
    assert mixing.mixed(task, [], 0.5) == task
