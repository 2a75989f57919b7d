"""The report: everything measured in one run, as `report.json` keeps it. The page beside it shows the same and no more.

The schema is published with the package (`Report.model_json_schema()`, `postgrad report-schema`); `schema_version`
grows by one when a field changes its meaning or goes; new optional fields do not count as change.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from postgrad.json_types import JsonObject
from postgrad.measures import still_falling
from postgrad.report.advice import BriefPart, CurvePart, DisturbancesPart, KindsPart, NextStepPart
from postgrad.report.arm_parts import ArmPart, ComparisonPart, ConstantPart, LeftOutPart, ResolutionPart
from postgrad.report.money_parts import CostPart
from postgrad.report.must_pass import MustPassPart
from postgrad.report.preferences import PreferencesPart
from postgrad.report.registration import RegistrationPart
from postgrad.report.voice import VoicePart

SCHEMA_VERSION = 1
TaskKind: TypeAlias = Literal["classification", "extraction", "generation", "preference", "reinforcement", "text"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class TaskPart(_Part):
    """What kind of task the data is, the metric by which it is judged, and what of a generated text is the answer.

    `sentence`: what is to be done, where somebody said it; `written_by`: who, a person or a model.
    """

    kind: TaskKind
    metric: str
    why: str
    answer_rule: str = ""
    sentence: str = ""
    written_by: str = ""


class FindingPart(_Part):
    """One finding of one check; `examples` are (file, line), worst first, and `rows` their rows as a spreadsheet
    counts, 0 where that is the line."""

    check: str
    severity: Literal["info", "warning", "error"]
    count: int
    sentence: str
    examples: list[tuple[str, int]] = []
    rows: list[int] = []
    evidence: list[str] = []
    advice: str = ""
    details: JsonObject = {}


class DataPart(_Part):
    """What was read, kept and split; `token_histogram` is a list of (upper edge in tokens, records).

    `test_units`: how many independent units the test examples form; near-duplicates, turns of one conversation, or
    values of the group column. `test_conversations`: of how many conversations the test examples are turns, where they
    are; `test_turns` how many turns these have.
    """

    read: int
    kept: int
    train: int
    validation: int
    test: int
    test_units: int | None = None
    test_conversations: int | None = None
    test_turns: int | None = None
    hash: str
    shape: str = ""
    explanation: str = ""
    notes: list[str] = []
    dropped: dict[str, int] = {}
    findings: list[FindingPart] = []
    token_histogram: list[tuple[int, int]] = []


class ChangedPart(_Part):
    """A general question whose answer was right before training and is wrong after it."""

    prompt: str
    before: str
    after: str


class BenchmarkPart(_Part):
    """One general benchmark before and after, paired by item.

    `p_lost` is the one-sided p-value against "no more than the margin was lost", after Holm's correction over all
    benchmarks. `guessed` where the base is not seen to do better than chance, and has nothing to lose. `seen`: the
    smallest loss that would have been called `lost` four times in five.
    """

    name: str
    n: int
    base: float
    tuned: float
    difference: float
    interval: tuple[float, float]
    verdict: Literal["kept", "lost", "cannot_tell"]
    kind: str = ""
    title: str = ""
    note: str = ""
    p_lost: float | None = None
    guessed: bool = False
    seen: float | None = None
    changed: list[ChangedPart] = []


class ForgettingPart(_Part):
    """The forgetting test; `note` says plainly when it could not be made."""

    margin: float
    benchmarks: list[BenchmarkPart] = []
    note: str = ""


class SlicePart(_Part):
    """A part of the test set: the score of the arm looked at, of the best alternative, and of the same arm
    on all the rest; `p_worse` is corrected over all parts."""

    slice: str
    n: int
    fine_tuned: float
    against: float
    interval: tuple[float, float] | None = None
    rest: float | None = None
    p_worse: float | None = None


class CertifiedPart(_Part):
    """Of the share `coverage` of the answers, those with a confidence of at least `threshold`, `accuracy` are right at
    least."""

    accuracy: float
    threshold: float
    coverage: float


class FieldPart(_Part):
    """Which share of the answers has this field right without a review: `threshold` on the answer's confidence was
    certified for it; None where none could be, and `coverage` is 0.

    `right` is the share of all answers of the test part with this field right, `accuracy` that of the answers above
    the threshold."""

    name: str
    right: float
    threshold: float | None
    coverage: float
    accuracy: float | None


class AutomationPart(_Part):
    """Which share of requests the arm can answer without a person.

    `threshold` on the answer's confidence was certified on `calibration` examples so that the accuracy above it is at
    least `target_accuracy`, except with probability `failure`; None where none could be (`needed` independent examples
    are the least). Then `instead` is what the same examples certify of the surest answers, with the same probability,
    and about `advised` examples would certify a share at the target, if the arm stays as good (None: no number would).
    `coverage`, `accuracy` and `curve` (coverage, accuracy) are measured on the test part. `calibrated_on` is the part
    that the threshold was chosen on; `validation` in older reports. `independent` is how many independent examples the
    calibration examples are worth; None in older reports. `fields` are the fields of answers that are objects, each
    with a threshold for the same target: all of these promises hold together, except with probability `failure`.
    """

    arm: str
    target_accuracy: float
    failure: float
    threshold: float | None
    coverage: float
    coverage_interval: tuple[float, float]
    accuracy: float | None
    calibration: int
    calibrated_on: Literal["test", "validation"] = "validation"
    independent: int | None = None
    needed: int
    instead: CertifiedPart | None = None
    advised: int | None = None
    curve: list[tuple[float, float]] = []
    fields: list[FieldPart] = []
    fields_sentence: str = ""
    sentence: str


class AlarmPart(_Part):
    """A guard that rang in a training, after which step, what it saw, and whether it ended the training."""

    guard: str
    step: int
    sentence: str
    stops: bool


class TrainingPart(_Part):
    """What one training did; losses are (step, nats per supervised token, or the mean loss of a pair or an answer).

    `metrics` is what the objective measures besides, by name: (step, value); those of validation begin with `eval_`.
    `replayed` of the `examples` were general ones against forgetting. Where the distance from the base was measured,
    `eval_kl_task` and `eval_kl_general` are KL(model ‖ base) in nats a token, on validation answers of the task and on
    general prompts, and `best_step` is the checkpoint that was kept, which need not have the lowest loss.
    """

    objective: str
    method: str
    examples: int
    replayed: int = 0
    supervised_tokens: int
    tokens: int
    tokens_per_second: float
    peak_memory_bytes: int
    steps: int
    best_step: int
    seconds: float
    train_loss: list[tuple[int, float]] = []
    validation_loss: list[tuple[int, float]] = []
    metrics: dict[str, list[tuple[int, float]]] = {}
    truncated: int = 0
    stopped_because: str = ""
    alarms: list[AlarmPart] = []
    in_words: str = ""
    settings: JsonObject = {}
    device: str = ""
    dtype: str = ""

    @property
    def still_falling(self) -> bool:
        """Whether validation loss was at its lowest at the end, and clearly lower than the time before."""
        return still_falling(self.validation_loss)

    @property
    def cut_short(self) -> str:
        """What is to be said of a training that had not the time to end what it was still learning; empty for
        others."""
        total = self.settings.get("total_steps", self.steps)
        full = self.settings.get("full_steps", total)
        if total >= full or not self.still_falling:
            return ""
        return f"its training was cut to {total:,} of {full:,} steps to meet the time limit, and was still improving"


class SamplePart(_Part):
    """One test example with every arm's answer side by side."""

    prompt: str
    reference: str
    answers: dict[str, str]
    scores: dict[str, float]


class VerdictPart(_Part):
    """The recommendation is an arm's name or `cannot_tell`, `meanwhile` the arm to use until that is settled;
    `before_training` where the run stopped there. `examples_needed` test examples in all would settle it; `next_steps`
    stand in the order of what they are expected to bring. `why` says in a few words why it cannot tell; `brief` is the
    decision in four lines (None in older reports)."""

    recommendation: str
    sentence: str
    reasons: list[str] = []
    before_training: bool = False
    meanwhile: str = ""
    examples_needed: int | None = None
    why: str = ""
    next_steps: list[NextStepPart] = []
    brief: BriefPart | None = None


class ModelPart(_Part):
    """The registered model."""

    name: str
    version: int
    base: str
    blob: str


class BasePart(_Part):
    """One base of several: what its own report in `folder` says, in short; `note` says why it was not trained."""

    name: str
    base: str
    folder: str
    recommendation: str
    untrained_arm: str | None = None
    untrained_score: float | None = None
    tuned_score: float | None = None
    parameters: int | None = None
    training_seconds: float | None = None
    training_cost: float | None = None
    peak_memory_bytes: int | None = None
    cost_per_1000: float | None = None
    lost: list[str] = []
    note: str = ""


class Report(_Part):
    """Everything measured in one run; `recipe` holds the settings that it was made with, `bases` the bases that were
    compared."""

    schema_version: int = SCHEMA_VERSION
    name: str
    created: str
    postgrad_version: str
    seed: int
    task: TaskPart
    data: DataPart
    system_prompt: str = ""
    resolvable_difference: float | None = None
    resolution: list[ResolutionPart] = []
    constant: ConstantPart | None = None
    arms: list[ArmPart] = []
    left_out: list[LeftOutPart] = []
    comparisons: list[ComparisonPart] = []
    forgetting: ForgettingPart | None = None
    edge_cases: list[SlicePart] = []
    training: TrainingPart | None = None
    learning_curve: CurvePart | None = None
    kinds: KindsPart | None = None
    disturbances: DisturbancesPart | None = None
    automation: AutomationPart | None = None
    registration: RegistrationPart | None = None
    must_pass: MustPassPart | None = None
    preferences: PreferencesPart | None = None
    voice: VoicePart | None = None
    samples: list[SamplePart] = []
    cost: CostPart = Field(default_factory=CostPart)
    verdict: VerdictPart
    model: ModelPart | None = None
    machine: JsonObject = {}
    seconds: dict[str, float] = {}
    recipe: JsonObject = {}
    bases: list[BasePart] = []


class LookPart(_Part):
    """A record worth looking at first, and why."""

    check: str
    file: str
    line: int
    row: int = 0
    prompt: str
    answer: str
    evidence: str = ""


class CheckReport(_Part):
    """What `postgrad check` found, as `check.json` keeps it.

    `taken_out` counts the records that safe repairs remove, `changed` those that they repair, by check; `repairable`
    counts what `--repair NAME` would change besides. `headline` says in at most 18 words whether the data can be
    trained on, `do_next` what to do first, with `command` where one does it.
    """

    schema_version: int = SCHEMA_VERSION
    created: str
    postgrad_version: str
    headline: str = ""
    do_next: str = ""
    command: str = ""
    files: list[str]
    shape: str
    explanation: str
    notes: list[str] = []
    read: int
    kept: int
    taken_out: dict[str, int] = {}
    changed: dict[str, int] = {}
    repairable: dict[str, int] = {}
    summary: str
    first: list[LookPart] = []
    findings: list[FindingPart] = []
    token_histogram: list[tuple[int, int]] = []
    seconds: dict[str, float] = {}
