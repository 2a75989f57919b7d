"""How often a share of the requests is certified to need no review, how large it is, and how often that is wrong, where
the truth is known.

`python -m bench.automation_operating`. Answers are drawn whose accuracy falls with the confidence as a scenario says,
and given to the product's own `certify`, beside the threshold that one looks up in a table of the same answers. Prints
the table that stands in `docs/verdict.md`. No model is asked; about three minutes on one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from scipy.special import expit

from postgrad.decision.automation import FAILURE, certify

TARGET = 0.95
CLUSTER = 5
Rule = Callable[[Sequence[float], Sequence[float], Sequence[int] | None], "float | None"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A model: the chance that an answer is right falls with its rank u in confidence, from 0 for the surest to 1, as
    expit(start - fall·u).

    Attributes:
        clusters: Whether answers come in near-duplicates of `CLUSTER`, all right or all wrong together.
    """

    name: str
    start: float
    fall: float
    clusters: bool = False

    def accuracy(self, share: float) -> float:
        """Of the surest so many, exactly."""
        if self.fall == 0:
            return float(expit(self.start))
        areas = [np.logaddexp(0.0, self.start - self.fall * u) for u in (0.0, share)]
        return float((areas[0] - areas[1]) / (self.fall * share))

    @property
    def possible(self) -> float:
        """The largest share that is right in `TARGET` of its answers."""
        if self.accuracy(1.0) >= TARGET:
            return 1.0
        return _zero(lambda u: self.accuracy(u) - TARGET, 1e-4, 1.0) if self.accuracy(1e-4) > TARGET else 0.0


def _zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that changes its sign once is zero."""
    return float(root_scalar(function, bracket=(low, high), method="brentq").root)


def model(overall: float, share: float, accuracy: float, *, clusters: bool = False) -> Scenario:
    """The model that is right so often overall, and so often in its surest share."""

    def started(fall: float) -> float:
        return _zero(lambda start: Scenario("", start, fall).accuracy(1.0) - overall, -50.0, 100.0)

    fall = _zero(lambda f: Scenario("", started(f), f).accuracy(share) - accuracy, 0.01, 80.0)
    found = Scenario("", started(fall), fall, clusters)
    name = f"right in {100 * overall:.0f} %; {100 * found.possible:.0f} % could go out at {100 * TARGET:.0f} %"
    return Scenario(name + (", in clusters" if clusters else ""), found.start, found.fall, clusters)


SCENARIOS = (
    model(0.85, 0.6, 0.95),
    model(0.85, 0.6, 0.96),
    model(0.85, 0.6, 0.97),
    model(0.72, 0.6, 0.95),
    model(0.72, 0.6, 0.95, clusters=True),
    model(0.7, 0.4, 0.95),
    Scenario("right in 94.9 %, however sure: nothing may go out", math.log(0.949 / 0.051), 0.0),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What came out of many test parts of one size.

    Attributes:
        certified: In which share of them a threshold was certified.
        coverage: The true share of requests above it, in the mean over those.
        broken: In which share of all the promise did not hold.
    """

    scenario: str
    n: int
    certified: float
    coverage: float
    broken: float


def drawn(
    scenario: Scenario, n: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(ranks_N in confidence, scores_N): those of a cluster of `CLUSTER` follow each other."""
    units = -(-n // CLUSTER) if scenario.clusters else n
    ranks = generator.random(units)
    scores = generator.random(units) < expit(scenario.start - scenario.fall * ranks)
    if scenario.clusters:
        ranks = np.clip(np.repeat(ranks, CLUSTER) + generator.normal(0, 1e-4, units * CLUSTER), 0, 1)[:n]
        scores = np.repeat(scores, CLUSTER)[:n]
    return ranks, scores.astype(float)


def ours(confidences: Sequence[float], scores: Sequence[float], groups: Sequence[int] | None) -> float | None:
    """The product's threshold."""
    return certify(confidences, scores, TARGET, groups=groups).value


def looked_up(confidences: Sequence[float], scores: Sequence[float], groups: Sequence[int] | None) -> float | None:
    """The threshold that one sees in a table of the same answers: the laxest above which so many are right."""
    order = np.argsort(-np.array(confidences))
    right = np.cumsum(np.array(scores)[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(right >= TARGET)
    return confidences[int(order[good[-1]])] if len(good) else None


def operated(scenario: Scenario, n: int, repeats: int, rule: Rule = ours, seed: int = 0) -> Row:
    """A rule on so many test parts of n answers."""
    generator = np.random.default_rng([seed, n])
    groups = [i // CLUSTER for i in range(n)] if scenario.clusters else None
    shares: list[float] = []
    broken = 0
    for _ in range(repeats):
        ranks, scores = drawn(scenario, n, generator)
        value = rule((1 - ranks).tolist(), scores.tolist(), groups)
        if value is not None:
            shares.append(1 - value)
            broken += scenario.accuracy(1 - value) < TARGET
    mean = float(np.mean(shares)) if shares else 0.0
    return Row(scenario.name, n, len(shares) / repeats, mean, broken / repeats)


def table(rows: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """The table of `docs/verdict.md`, line by line: ours, and how often the looked-up threshold breaks its promise."""
    yield "| Model | Test examples | Share certified in | Share, mean | Promise broken | Threshold looked up: broken |"
    yield "|---|---|---|---|---|---|"
    for row, naive in rows:
        yield (
            f"| {row.scenario} | {row.n:,} | {100 * row.certified:.0f} % | {100 * row.coverage:.0f} % |"
            f" {100 * row.broken:.1f} % | {100 * naive.broken:.0f} % |"
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 200, 400, 1000])
    wish = parser.parse_args()
    rows = [
        (operated(scenario, n, wish.repeats), operated(scenario, n, wish.repeats, looked_up))
        for scenario in SCENARIOS
        for n in wish.sizes
    ]
    print(f"Except with probability {FAILURE:g}, {100 * TARGET:.0f} % right; {wish.repeats:,} test parts a row.\n")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
