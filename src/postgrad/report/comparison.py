"""What `postgrad compare` found, as `compare.json` keeps it: B against A, paired by example.

Every difference is B minus A. The schema is published (`postgrad report-schema compare`); `schema_version` grows by one
when a field changes its meaning or goes; new optional fields do not count as change.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

COMPARE_VERSION = 1
ChangeVerdict = Literal["better", "worse", "alike", "no_worse", "cannot_tell"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class SidePart(_Part):
    """A or B: the arm that is compared, and what it costs.

    `score` and `interval` are over the common examples, `own_score` over all `own_n` that it was measured on.
    """

    name: str
    folder: str
    arm: str
    model: str
    score: float
    interval: tuple[float, float]
    own_score: float
    own_n: int
    created: str
    cost_per_1000: float | None = None
    latency_ms_p50: float | None = None
    prompt_tokens_mean: float | None = None
    completion_tokens_mean: float | None = None


class CommonPart(_Part):
    """The examples that both answered: `better`, `worse` and `same` count B's scores against A's."""

    n: int
    only_a: int
    only_b: int
    better: int
    worse: int
    same: int


class DifferencePart(_Part):
    """B minus A, with its 95 % interval; `p_adjusted` is after Holm's correction over the table that it stands in."""

    name: str
    n: int
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    p_adjusted: float


class ExamplePart(_Part):
    """One example that the two did differently."""

    hash: str
    file: str = ""
    line: int = 0
    prompt: str
    reference: str
    a_answer: str
    b_answer: str
    a_score: float
    b_score: float


class ChangedPart(_Part):
    """Something that is not the same in A and B; None where a side does not have it."""

    kind: Literal["settings", "data", "model", "program", "machine"]
    name: str
    a: object = None
    b: object = None


class CompareReport(_Part):
    """B against A.

    `verdict`: `better` or `worse` (the interval leaves 0 out), `alike` (within the margin both ways), `no_worse` (a
    loss of the margin is excluded), else `cannot_tell`. `passed` is what the gate says.
    """

    schema_version: int = COMPARE_VERSION
    created: str
    postgrad_version: str
    a: SidePart
    b: SidePart
    metric: str
    rescored: bool = False
    common: CommonPart
    difference: float
    interval: tuple[float, float]
    p_value: float
    margin: float
    verdict: ChangeVerdict
    passed: bool
    sentence: str
    examples_needed: int | None = None
    arms: list[DifferencePart] = []
    slices: list[DifferencePart] = []
    improved: list[ExamplePart] = []
    worsened: list[ExamplePart] = []
    changes: list[ChangedPart] = []
    notes: list[str] = []

    def __repr__(self) -> str:
        low, high = self.interval
        points = f"{100 * self.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}, n = {self.common.n})"
        return f"{self.b.name} against {self.a.name}: {points}. {self.sentence}"
