"""The parts of the report that say what to do next, and the evidence for it: the learning curve, the kinds of requests
that go wrong, what disturbed requests cost, the steps."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class ForecastPart(_Part):
    """The score expected with this many training examples, and its 95 % interval."""

    examples: int
    score: float
    interval: tuple[float, float]


class CurvePart(_Part):
    """The score over the number of training examples: `points` are (training examples, score) on the same test part.

    `forecast` is for twice the examples, `further` beyond that, `gain` the interval of what the first brings over what
    was reached; `needed` examples bring about 5 points more (None: no number up to 16 times as many). `unstable` where
    the score fell with more examples: nothing is forecast then. Without points `sentence` says why there is no curve,
    and how to make it.
    """

    points: list[tuple[int, float]] = []
    forecast: ForecastPart | None = None
    further: list[ForecastPart] = []
    gain: tuple[float, float] | None = None
    needed: int | None = None
    unstable: bool = False
    sentence: str = ""


class KindPart(_Part):
    """A kind of request, found by meaning and named by its characteristic words.

    `wrong` is what the arm's test answers lack to a full score, summed, `rest` its score on all other kinds, `share`
    of the test and `production` of the requests there; `gain` what the whole score gains if this kind becomes as good
    as the rest; `p_worse` is corrected over all kinds looked at; `missing` training examples would make it as common as
    it should be.
    """

    words: str
    train: int
    test: int
    wrong: float
    score: float
    interval: tuple[float, float]
    rest: float
    share: float
    production: float | None = None
    gain: float
    p_worse: float
    missing: int = 0


class KindsPart(_Part):
    """Which kinds of requests go wrong and how many training examples each has, the worst first."""

    arm: str
    kinds: list[KindPart] = []
    looked_at: int = 0
    sentence: str = ""


class DisturbancePart(_Part):
    """The same test examples with original and perturbed requests: `difference` is perturbed minus original.

    `changed` is the share of answers that became others; `p_adjusted` is after Holm's correction over all kinds and
    arms.
    """

    arm: str
    kind: str
    n: int
    clean: float
    disturbed: float
    difference: float
    interval: tuple[float, float]
    changed: float
    p_value: float
    p_adjusted: float


class DisturbancesPart(_Part):
    """How well the answers hold up on perturbed requests; without rows `sentence` says why there are none."""

    rows: list[DisturbancePart] = []
    sentence: str = ""


class BriefPart(_Part):
    """The decision in a headline of at most 18 words and three lines; `command` is what to copy next, empty where
    nothing is to be run."""

    headline: str
    use_for: str
    not_for: str
    do_next: str
    command: str = ""


class NextStepPart(_Part):
    """What to do next: the step, what it is expected to bring, and the evidence for it."""

    step: str
    gain: str
    why: str
