"""The race: the truly best arm is hardly ever stopped, clear losers are, and the order of answering is fixed."""

from __future__ import annotations

import numpy as np
import pytest

from postgrad.evaluation.statistics.sequential import ERROR, beaten, level, looks, shuffled, spent


def run_race(table: dict[str, np.ndarray], groups: list[int] | None = None) -> tuple[dict[str, int], float]:
    """Arm → after how many examples it was stopped, and the share of all answers that were not asked for."""
    n, arms = len(next(iter(table.values()))), len(table)
    running, stopped = set(table), {}
    for look in looks(n):
        scores = {name: table[name][:look].tolist() for name in table if name in running}
        for loser in beaten(scores, groups[:look] if groups else None, look, n, arms):
            stopped[loser.arm] = look
            running.discard(loser.arm)
    assert running, "somebody always wins"
    return stopped, sum(n - k for k in stopped.values()) / (n * arms)


def drawn(
    generator: np.random.Generator, n: int, shares: dict[str, float], graded: bool = False
) -> dict[str, np.ndarray]:
    """Arms that share the difficulty of each example."""
    hard = generator.normal(0, 0.15, n)
    out = {}
    for name, share in shares.items():
        chance = np.clip(share + hard, 0, 1)
        noisy = np.clip(chance + generator.normal(0, 0.2, n), 0, 1)
        out[name] = noisy if graded else (generator.random(n) < chance).astype(float)
    return out


def test_the_error_is_spent_whole_and_no_more() -> None:
    for n, arms in ((60, 2), (150, 4), (1000, 6)):
        levels = [level(k, n, arms) for k in looks(n)]
        assert all(x > 0 for x in levels) and sum(levels) * (arms - 1) < ERROR
    assert spent(1.0) == pytest.approx(ERROR) and spent(0.0) == 0


def test_few_examples_are_no_race() -> None:
    assert looks(30) == [] and looks(32) == [25] and looks(150) == [25, 50, 100]


def test_the_order_is_fixed_by_the_seed_and_holds_every_place() -> None:
    assert shuffled(50, 3) == shuffled(50, 3) != shuffled(50, 4)
    assert sorted(shuffled(50, 3)) == list(range(50))


RACES = [
    (150, {"a": 0.5, "b": 0.5, "c": 0.5, "best": 0.5}, False, 500),
    (150, {"a": 0.45, "b": 0.3, "c": 0.1, "best": 0.5}, False, 500),
    (400, {"a": 0.6, "best": 0.62}, False, 250),
    (100, {"a": 0.5, "b": 0.5, "best": 0.5}, True, 60),
]


@pytest.mark.parametrize(("n", "shares", "graded", "repeats"), RACES)
def test_the_best_arm_is_hardly_ever_stopped(n: int, shares: dict[str, float], graded: bool, repeats: int) -> None:
    lost = 0
    for seed in range(repeats):
        stopped, _ = run_race(drawn(np.random.default_rng(seed), n, shares, graded))
        lost += "best" in stopped
    assert lost / repeats < ERROR


def test_the_best_arm_stays_where_customers_differ() -> None:
    """Examples of one customer hang together; who is asked first is random."""
    lost = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), 5)[generator.permutation(150)]
        chance = 0.5 + 0.35 * generator.uniform(-1, 1, (2, 30))
        table = {
            name: (generator.random(150) < chance[i][groups]).astype(float) for i, name in enumerate(("a", "best"))
        }
        lost += "best" in run_race(table, groups.tolist())[0]
    assert lost / 200 < ERROR


def test_clear_losers_save_a_good_part_of_the_answers() -> None:
    """Of four arms two are hopeless: their answers are mostly spared. Of four alike, none are."""
    shares = {"base": 0.05, "prompted": 0.2, "few_shot": 0.55, "rag": 0.6}
    saved = [run_race(drawn(np.random.default_rng(seed), 150, shares))[1] for seed in range(100)]
    assert 0.3 < np.mean(saved) < 0.5
    alike = [run_race(drawn(np.random.default_rng(seed), 150, dict.fromkeys("abcd", 0.5)))[1] for seed in range(100)]
    assert np.mean(alike) < 0.03


def test_equal_and_constant_scores_stop_nobody() -> None:
    assert run_race({"a": np.ones(100), "b": np.ones(100)})[0] == {}
    assert run_race({"a": np.zeros(100), "b": np.zeros(100)})[0] == {}
    assert run_race({"a": np.zeros(100), "b": np.ones(100)})[0] == {"a": 25}
