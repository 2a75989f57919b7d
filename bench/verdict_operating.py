"""How often the verdict says what, and what its choice costs, where the truth is known.

`python -m bench.verdict_operating`. Arms are drawn whose true scores a scenario sets, judged by the product's own
`compare_arms` and `decide`, beside the naive rule "ship if the score rose and no suite fell by more than 0.05". Prints
the table that stands in `docs/verdict.md`. No model is asked; about eight minutes on one core.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from postgrad.arm_kinds import is_trained, recommended_arm
from postgrad.decision.verdict import decide
from postgrad.evaluation.statistics.scores import compare_arms, score_interval
from postgrad.measures import ArmResult

ALIKE = 0.5
"""Correlation of two arms' latent ease at one example, that of difficulty. In the shown reports pairs of arms that both
get something right differ on as many examples as 0.4 to 0.6 gives."""
CLUSTER, LUCK = 5, 0.2
"""Examples in a cluster, and the correlation of one arm's latent ease within it."""
SUITES, ITEMS, FELL, MOVED = 7, 200, 0.05, 0.1
"""General benchmarks of the naive rule: how many, their items, the fall that stops it, the share of items that change
by chance. None is truly lost."""
PRICES = {
    "base": 0.012,
    "prompted": 0.013,
    "few_shot": 0.019,
    "optimised_prompt": 0.02,
    "rag": 0.032,
    "fine_tuned": 0.009,
}
"""USD for 1,000 answers, as in the report of the tickets."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A truth: the score of each arm on all requests there are.

    Attributes:
        clusters: Whether test examples come in near-duplicates.
    """

    name: str
    truths: Mapping[str, float]
    clusters: bool = False


def _arms(*scores: float) -> dict[str, float]:
    return dict(zip(PRICES, scores, strict=True))


SCENARIOS = (
    Scenario("prompting is enough", _arms(0.6, 0.92, 0.9, 0.91, 0.9, 0.92)),
    Scenario("tuned = the one strong arm", _arms(0.3, 0.45, 0.5, 0.55, 0.7, 0.7)),
    Scenario("all equal", _arms(0.6, 0.6, 0.6, 0.6, 0.6, 0.6)),
    Scenario("tuned = the one strong arm, in clusters", _arms(0.3, 0.45, 0.5, 0.55, 0.7, 0.7), clusters=True),
    Scenario("tuned is 5 points worse", _arms(0.3, 0.45, 0.5, 0.55, 0.7, 0.65)),
    Scenario("gain of 5 points", _arms(0.3, 0.45, 0.5, 0.55, 0.7, 0.75)),
    Scenario("gain of 10 points", _arms(0.3, 0.45, 0.5, 0.55, 0.7, 0.8)),
    Scenario("gain of 10 points, in clusters", _arms(0.3, 0.45, 0.5, 0.55, 0.7, 0.8), clusters=True),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What came out of many test parts of one size; shares, and mean points lost against the truly best arm.

    Attributes:
        tuned: Verdicts for a trained arm.
        untrained: Verdicts for an untrained one.
        lost: Of what the verdict names, or names for the meantime.
        naive_tuned: How often the naive rule ships the tuned model.
        naive_lost: Of the naive rule's choice.
    """

    scenario: str
    n: int
    tuned: float
    untrained: float
    lost: float
    naive_tuned: float
    naive_lost: float

    @property
    def cannot_tell(self) -> float:
        return 1 - self.tuned - self.untrained


def drawn(scenario: Scenario, n: int, generator: np.random.Generator) -> tuple[list[ArmResult], list[int] | None]:
    """The arms' results on a test part of `n` examples, and the cluster of each example; None without clusters."""
    cluster_N = np.arange(n) // (CLUSTER if scenario.clusters else 1)
    luck = LUCK if scenario.clusters else 0.0
    ease_N = math.sqrt(ALIKE) * generator.normal(size=n)
    groups = cluster_N.tolist() if scenario.clusters else None
    arms: list[ArmResult] = []
    for name, truth in scenario.truths.items():
        shared_N = math.sqrt(luck) * generator.normal(size=n)[cluster_N]
        own_N = math.sqrt(1 - ALIKE - luck) * generator.normal(size=n)
        scores = tuple((ease_N + shared_N + own_N < ndtri(truth)).astype(float).tolist())
        score = score_interval(scores, groups)
        arms.append(ArmResult(name, scores, ("",) * n, {}, 0, 0, 0, PRICES[name], score, is_trained(name)))
    return arms, groups


def naive(arms: Sequence[ArmResult], generator: np.random.Generator) -> str:
    """The arm that the naive rule takes: the trained one if its score is above every other and no suite fell."""
    best = max((a for a in arms if not a.requires_training), key=lambda a: a.score.value)
    tuned = max((a for a in arms if a.requires_training), key=lambda a: a.score.value)
    gained, lost, _ = generator.multinomial(ITEMS, [MOVED / 2, MOVED / 2, 1 - MOVED], SUITES).T
    fell = bool(((gained - lost) / ITEMS < -FELL).any())
    return tuned.name if tuned.score.value > best.score.value and not fell else best.name


def operated(scenario: Scenario, n: int, repeats: int, seed: int = 0) -> Row:
    """The verdict on `repeats` test parts of `n` examples."""
    best = max(scenario.truths.values())
    said: Counter[str] = Counter()
    lost = naive_lost = shipped = 0.0
    for number in range(repeats):
        generator = np.random.default_rng((seed, n, number))
        arms, groups = drawn(scenario, n, generator)
        verdict = decide(arms, compare_arms(arms, groups))
        chosen = recommended_arm(verdict.recommendation)
        said["none" if chosen == "cannot_tell" else "tuned" if is_trained(chosen) else "untrained"] += 1
        lost += best - scenario.truths[verdict.meanwhile or chosen]
        other = naive(arms, generator)
        shipped += is_trained(other)
        naive_lost += best - scenario.truths[other]
    tuned, untrained = said["tuned"] / repeats, said["untrained"] / repeats
    return Row(scenario.name, n, tuned, untrained, 100 * lost / repeats, shipped / repeats, 100 * naive_lost / repeats)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as a table in Markdown."""
    yield "| truth | test examples | fine-tune | untrained | cannot tell | points lost | naive: tuned | points lost |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in rows:
        shares = " | ".join(f"{100 * share:.1f} %" for share in (r.tuned, r.untrained, abs(r.cannot_tell)))
        yield f"| {r.scenario} | {r.n:,} | {shares} | {r.lost:.1f} | {100 * r.naive_tuned:.0f} % | {r.naive_lost:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="test parts a row; a quarter of it with clusters")
    parser.add_argument("--sizes", default="80,200,300,400,1000", help="test examples")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows = [
        operated(scenario, int(n), asked.repeats // (4 if scenario.clusters else 1), asked.seed)
        for scenario in SCENARIOS
        for n in asked.sizes.split(",")
    ]
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
