"""Guards ring for what is planted, stay silent on a thousand healthy trainings, and end a training as patience does."""

import json
import math
import random

import pytest
import torch

from postgrad.errors import Interrupted, TrainingError, UsageError
from postgrad.progress import Said, finished
from postgrad.recipe import make_recipe
from postgrad.records import Message
from postgrad.training.guards import GUARDS, Alarm, Seen, rung
from postgrad.training.guards.likelihoods import CHOSEN
from postgrad.training.rewards import Graded
from postgrad.training.sampled.environment import Beside
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.training.test_dpo import go as prefer
from tests.training.test_dpo import preference
from tests.training.test_grpo import TASKS, go, letters


def rings(figures, start=None, batch_size=4, kl_limit=None, every=1):
    """The guards that ring while a training records these figures step by step, each with its alarm; looked at in every
    so many steps, and after each validation."""
    steps = {step for series in figures.values() for step, _ in series}
    validated = {step for name, series in figures.items() if name.startswith("eval_") for step, _ in series}
    steps = sorted({step for step in steps if step % every == 0} | validated)
    alarms = []
    for now in steps:
        seen = {name: [p for p in series if p[0] <= now] for name, series in figures.items()}
        alarms += rung(Seen(seen, start or {}, batch_size, kl_limit), alarms, stop=True)
    return {alarm.guard: alarm for alarm in alarms}


def steps(values):
    return list(enumerate(values, 1))


def healthy(seed):
    """Figures of a training that goes well: rewards rise to a plateau, answers become somewhat longer or shorter, the
    entropy falls, likelihoods drift; all with the noise of few answers a step."""
    draw = random.Random(seed)
    count, batch, samples = draw.choice([30, 60, 120, 300]), draw.choice([1, 2, 4, 8]), draw.choice([4, 8])
    held, validations = draw.choice([5, 10, 20, 50]), draw.choice([3, 5, 10])
    begin, end = draw.uniform(0, 0.6), draw.uniform(0, 0.4)
    grown, tokens, spread = draw.uniform(0.65, 1.5), draw.uniform(20, 200), draw.uniform(0.2, 0.7)
    entropy, left, repeated = draw.uniform(0.3, 2), draw.uniform(0.2, 1), draw.uniform(0, 0.45)
    equal, fall, away = draw.uniform(0, 0.8), draw.uniform(-0.3, 0.25), draw.uniform(0, 0.07)
    figures = {name: [] for name in ("reward", "frac_reward_zero_std", "completions/mean_length", "entropy", "kl")}
    figures |= {
        name: [] for name in ("completions/repetition", "grader_faults", CHOSEN, "eval_reward", "eval_reward_error")
    }
    figures[f"eval_{CHOSEN}"] = []

    def quality(step):
        return min(1.0, max(0.0, begin + end * (1 - math.exp(-3 * step / count))))

    def share(chance, n):
        return sum(draw.random() < chance for _ in range(n)) / n

    for step in range(1, count + 1):
        done = step / count
        noise = spread / math.sqrt(batch * samples)
        figures["reward"].append(
            (step, sum(share(min(1, max(0, draw.gauss(quality(step), 0.2))), samples) for _ in range(batch)) / batch)
        )
        figures["frac_reward_zero_std"].append((step, share(equal, batch)))
        figures["completions/mean_length"].append((step, tokens * grown**done * max(0.05, draw.gauss(1, noise))))
        figures["entropy"].append((step, entropy * left**done * max(0.2, draw.gauss(1, 0.15))))
        figures["kl"].append((step, away * done * max(0.1, draw.gauss(1, 0.2))))
        figures["completions/repetition"].append((step, min(1, max(0, draw.gauss(repeated, 0.05)))))
        figures["grader_faults"].append((step, share(0.05, batch * samples)))
        figures[CHOSEN].append((step, -2 - fall * done + draw.gauss(0, 0.8 / math.sqrt(batch))))
        if step % max(1, count // validations) == 0:
            right = share(quality(step), held)
            figures["eval_reward"].append((step, right))
            figures["eval_reward_error"].append((step, math.sqrt(right * (1 - right) / held)))
            figures[f"eval_{CHOSEN}"].append((step, -2 - fall * done + draw.gauss(0, 0.02)))
    return figures, {"eval_reward": share(quality(0), held), f"eval_{CHOSEN}": -2.0}, batch


def test_a_thousand_healthy_trainings_ring_no_guard():
    stopped = {}
    for seed in range(1000):
        figures, start, batch = healthy(seed)
        if seed % 2:  # without validation every second time
            figures = {name: series for name, series in figures.items() if not name.startswith("eval_")}
        for alarm in rings(figures, start, batch, kl_limit=0.1, every=10).values():
            if alarm.stops:
                stopped.setdefault(alarm.guard, []).append(seed)
    assert sum(map(len, stopped.values())) < 10, stopped


def noisy(seed, value, spread, count=60):
    draw = random.Random(seed)
    return steps([draw.gauss(value(step / count), spread) for step in range(1, count + 1)])


PLANTED = {
    "length_drift": {
        "completions/mean_length": noisy(1, lambda t: 40 + 120 * t, 6),
        "eval_reward": [(20, 0.3), (40, 0.28)],
    },
    "repetition": {"completions/repetition": noisy(2, lambda t: 0.1 + 0.8 * t, 0.03)},
    "entropy_collapse": {"entropy": noisy(3, lambda t: 1.5 * math.exp(-7 * t), 0.002)},
    "chosen_falling": {CHOSEN: noisy(4, lambda t: -1.5 - 3 * t, 0.2)},
    "no_variance": {"frac_reward_zero_std": steps([0.5] * 10 + [1.0] * 30), "reward": steps([0.2] * 10 + [0.0] * 30)},
    "grader_faults": {"grader_faults": steps([0.1] * 10 + [1.0] * 10)},
    "kl_limit": {"kl": noisy(5, lambda t: 0.4 * t, 0.01)},
    "hacking": {
        "reward": noisy(6, lambda t: 0.2 + 0.7 * t, 0.08),
        "eval_reward": [(10, 0.4), (20, 0.45), (30, 0.3), (40, 0.15), (50, 0.1), (60, 0.1)],
        "eval_reward_error": [(10 * i, 0.05) for i in range(1, 7)],
    },
}


@pytest.mark.parametrize("guard", GUARDS)
def test_every_guard_rings_for_what_is_planted_and_says_it_in_words(guard):
    found = rings(PLANTED[guard], {"eval_reward": 0.3}, kl_limit=0.2)
    assert set(found) == {guard}
    alarm = found[guard]
    assert alarm.stops and alarm.step < 60 and any(c.isdigit() for c in alarm.sentence)
    assert alarm.sentence.endswith(".") and len(alarm.sentence.split()) < 75


def test_answers_that_become_brief_while_the_reward_rises_are_told_and_go_on():
    figures = {"completions/mean_length": noisy(1, lambda t: 100 * math.exp(-3 * t), 4), "eval_reward": [(20, 0.6)]}
    alarm = rings(figures, {"eval_reward": 0.2})["length_drift"]
    assert not alarm.stops and "look whether the grader rewards the length" in alarm.sentence
    figures["eval_reward"] = [(20, 0.1)]
    assert rings(figures, {"eval_reward": 0.2})["length_drift"].stops


def test_a_held_out_metric_tells_of_hacking_that_the_reward_itself_hides():
    figures = {**PLANTED["hacking"], "eval_reward": [(10 * i, 0.4 + i / 20) for i in range(1, 7)]}
    assert not rings(figures, {"eval_reward": 0.3})
    figures |= {
        "eval_held_out": PLANTED["hacking"]["eval_reward"],
        "eval_held_out_error": PLANTED["hacking"]["eval_reward_error"],
    }
    assert "the held-out metric fell from 0.4" in rings(figures)["hacking"].sentence


def test_sparse_rewards_are_waited_for():
    sparse = {"frac_reward_zero_std": steps([1.0] * 19), "reward": steps([0.0] * 19)}
    assert not rings(sparse, batch_size=1), "19 groups may be equal by chance where one in ten is not"
    assert "no_variance" in rings(sparse, batch_size=8)
    assert "no_variance" in rings({n: s * 1 for n, s in sparse.items()}, batch_size=16)


def test_an_alarm_is_told_once_and_a_warning_may_become_a_stop():
    seen = Seen(PLANTED["grader_faults"])
    (stop,) = rung(seen, [], stop=True)
    assert rung(seen, [stop], stop=True) == []
    (warning,) = rung(seen, [], stop=False)
    assert not warning.stops and rung(seen, [warning], stop=False) == []
    assert rung(seen, [warning], stop=True) == [stop]


def constant(answers):
    """A grader that tells nothing apart."""
    return [Graded(0.25) for _ in answers]


def heard(tiny, folder, reward=constant, stopped=lambda: False, **changes):
    """A training with all that it says: (result, sentences, state)."""
    plan = Plan(
        **{
            "objective": "grpo",
            "rank": 4,
            "alpha": 8,
            "epochs": 12,
            "batch_size": 8,
            "learning_rate": 1e-2,
            "samples": 4,
            "answer_tokens": 4,
            "token_budget": 400,
            "patience": 99,
            **changes,
        }
    )
    said = []
    work = train(tiny, TASKS[:10], TASKS[10:], plan, RunFolder(folder), {"data": "x"}, stopped, reward=reward)
    result = finished(work, lambda event: said.append(event.text) if isinstance(event, Said) else None)
    return result, said


def test_a_guard_ends_a_training_as_patience_does_and_the_report_says_so(tiny, tmp_path):
    result, said = heard(tiny, tmp_path / "stop")
    part = result.part
    assert part.stopped_because == "stopped by the guard no_variance" and part.steps == 10
    assert [(a.guard, a.step, a.stops) for a in part.alarms] == [("no_variance", 10, True)]
    assert part.alarms[0].sentence in part.in_words and part.alarms[0].sentence in said
    assert dict(part.metrics["eval_reward"])[10] == 0.25, "the last step is validated"
    result, said = heard(tiny, tmp_path / "warn", guards="warn")
    assert result.part.stopped_because == "finished" and result.part.steps == 24
    assert [(a.guard, a.stops) for a in result.part.alarms] == [("no_variance", False)]
    assert sum(text == result.part.alarms[0].sentence for text in said) == 1
    result, _ = heard(tiny, tmp_path / "off", guards="off")
    assert (
        result.part.steps == 24 and result.part.alarms == [] and "all answers to a prompt" not in result.part.in_words
    )


def test_the_weights_of_a_stopped_training_are_the_best_ones(tiny, tmp_path):
    """The grader breaks after a while: what was learned before stays."""
    calls = iter(range(10_000))

    def breaks(answers):
        broken = next(calls) > 12
        return [
            Graded(0.0 if broken else a.count("e") / max(1, len(a)), "broken" if broken else "") for _, a in answers
        ]

    result, _ = heard(tiny, tmp_path, breaks, validate_every=5, epochs=40)
    part = result.part
    assert part.stopped_because == "stopped by the guard grader_faults" and part.steps < 20
    assert part.best_step < 12 and "Mend the grader" in part.in_words


def test_stopped_anywhere_a_guard_ends_it_at_the_same_step_with_the_same_weights(tiny, tmp_path):
    settings = {"reward": letters, "beta": 0.1, "kl_limit": 0.01, "learning_rate": 3e-2}
    ended, _ = heard(tiny, tmp_path / "ended", **settings)
    assert [a.guard for a in ended.part.alarms] == ["kl_limit"] and 5 <= ended.part.steps < 24
    for stops in (3, 9, 14):
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            heard(tiny, tmp_path / "parts", stopped=lambda asked=asked: next(asked), **settings)
    parts, _ = heard(tiny, tmp_path / "parts", **settings)
    assert parts.part.alarms == ended.part.alarms and parts.part.steps == ended.part.steps
    for name, both in ended.trained.tensors.items():
        assert all(torch.equal(x, y) for x, y in zip(both, parts.trained.tensors[name], strict=True))
    state = json.loads((tmp_path / "parts" / "run.json").read_text())
    assert state["part"]["alarms"][0]["guard"] == "kl_limit"


def test_a_limit_on_the_divergence_is_watched_whatever_the_loss_needs(tiny, tmp_path):
    settings = {"epochs": 10, "learning_rate": 3e-2, "temperature": 0.5}
    free = go(tiny, tmp_path / "free", **settings).part
    assert "kl" not in free.metrics
    bound = go(tiny, tmp_path / "bound", kl_limit=0.05, **settings).part
    assert bound.stopped_because == "stopped by the guard kl_limit"
    kl = dict(bound.metrics["kl"])
    assert kl[1] == pytest.approx(0, abs=1e-6) and max(kl.values()) > 0.05
    assert [r for _, r in bound.metrics["reward"]] == [r for _, r in free.metrics["reward"]][: bound.steps]
    with pytest.raises(UsageError, match="dpo does not measure how far"):
        prefer(tiny, tmp_path / "pairs", kl_limit=0.1)
    with pytest.raises(UsageError, match="guards are off"):
        make_recipe({"training": {"kl_limit": 0.1, "guards": "off"}})
    with pytest.raises(TrainingError, match="kl_limit out"):
        go(tiny, tmp_path / "full", kl_limit=0.1, method="full")


def test_pairs_are_watched_from_the_start_on(tiny, tmp_path):
    part = prefer(tiny, tmp_path, epochs=1).part
    moved = dict(part.metrics[f"eval_{CHOSEN}"])
    assert moved and all(value < 0 for value in moved.values()) and part.alarms == []
    # sides that are nearly the same fall together: https://arxiv.org/abs/2410.08847
    answers = [f"Order {i} is on its way" for i in range(24)]
    alike = [
        preference(i, chosen=(Message("assistant", f"{a}."),), rejected=(Message("assistant", a),))
        for i, a in enumerate(answers)
    ]
    plan = Plan(objective="simpo", rank=4, alpha=8, epochs=10, learning_rate=3e-2, beta=10.0, token_budget=300)
    work = train(tiny, alike[:18], alike[18:], plan, RunFolder(tmp_path / "alike"), {}, lambda: False)
    part = finished(work).part
    assert [a.guard for a in part.alarms] == ["chosen_falling"] and part.steps == 10
    assert part.stopped_because == "stopped by the guard chosen_falling"


def test_what_is_held_out_is_measured_on_validation_alone_and_before_the_first_step(tiny, tmp_path):
    def asked(answers):
        return [Graded(float(len(a))) for _, a in answers]

    plan = Plan(objective="grpo", rank=4, alpha=8, samples=4, answer_tokens=4, max_steps=4, validate_every=2)
    work = train(
        tiny, TASKS[:10], TASKS[10:], plan, RunFolder(tmp_path), {}, lambda: False, reward=letters, beside=Beside(asked)
    )
    part = finished(work).part
    assert [step for step, _ in part.metrics["eval_held_out"]] == [2, 4] and "held_out" not in part.metrics
    begun = json.loads((tmp_path / "run.json").read_text())["begun"]
    assert begun["eval_held_out"] > 0 and begun["eval_held_out_error"] >= 0 and begun["eval_reward"] >= 0


def test_alarms_are_plain_values():
    assert Alarm(**json.loads(json.dumps({"guard": "g", "step": 3, "sentence": "s", "stops": False}))).step == 3
