"""The parts of a report that say how the arms did: their scores, what the test resolves, how they compare."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from postgrad.json_types import JsonObject


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class ArmPart(_Part):
    """One way to do the task, measured on the test part; on `stopped_after` examples of it where it could not win any
    more.

    `trained` says whether a trained model answers. `held` where answers were held to a form while they were generated.
    `fails_by_form` says how more than a few answers were wrong for how they are written alone. `metrics` holds every
    metric's mean and figures, `details` its tables: `classes`, `confusion`, `fields`, `faults`, `broken`, `agreement`.
    `right` of the `n` answers are right; None where an answer may be right in part, and in older reports.
    """

    name: str
    model: str
    score: float
    interval: tuple[float, float]
    n: int
    metrics: dict[str, float] = {}
    prompt_tokens_mean: float = 0.0
    completion_tokens_mean: float = 0.0
    latency_ms_p50: float = 0.0
    cost_per_1000: float | None = None
    stopped_after: int | None = None
    note: str = ""
    details: JsonObject = {}
    trained: bool | None = None
    held: bool = False
    right: int | None = None
    fails_by_form: str = ""


class ResolutionPart(_Part):
    """What `test` examples resolve: the smallest difference detected with 80 % probability, and how many would resolve
    `worth`.

    `spread` is the standard deviation of the paired differences that both rest on, assumed unless `measured`; `units`
    how many independent units the examples form, which the figures are for.
    """

    test: int
    resolvable: float
    worth: float
    examples_for_worth: int | None
    spread: float
    measured: bool
    sentence: str
    units: int | None = None


class ConstantPart(_Part):
    """What always giving the commonest answer of the training part scores on the test part, and the arms that do no
    better (`unbeaten`) or better by no more than chance allows (`unclear`)."""

    answer: str
    score: float
    interval: tuple[float, float]
    unbeaten: list[str] = []
    unclear: list[str] = []
    sentence: str


class LeftOutPart(_Part):
    """A requested arm that could not be measured on every test example, and why; the same command completes
    it."""

    name: str
    reason: str


class ComparisonPart(_Part):
    """`arm` minus `against`, paired over the `n` test examples that both answered; `p_adjusted` is after Holm's
    correction and that for further looks at the test part, which `confidence` of the interval is for too."""

    arm: str
    against: str
    difference: float
    interval: tuple[float, float]
    p_value: float
    p_adjusted: float | None = None
    n: int | None = None
    confidence: float = 0.95
