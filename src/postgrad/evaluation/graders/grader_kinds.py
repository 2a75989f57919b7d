"""What a grader may look like: the six kinds with their fields, every fault named at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from postgrad.errors import UsageError
from postgrad.evaluation.graders.formula import Formula
from postgrad.evaluation.graders.template import check_template
from postgrad.json_types import JsonMapping

SIMILARITIES = (
    "cosine",
    "fuzzy_match",
    "bleu",
    "gleu",
    "meteor",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
)
_LONGEST_SOURCE = 256_000


def _templated(text: Any) -> Any:
    if isinstance(text, str):
        check_template(text)
    return text


TemplateText = Annotated[str, BeforeValidator(_templated)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)


class StringCheck(_Form):
    """1 where `input` compares with `reference`: equal, not equal, containing it, containing it in any case."""

    type: Literal["string_check"]
    input: TemplateText
    reference: TemplateText
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(_Form):
    """How alike `input` and `reference` are."""

    type: Literal["text_similarity"]
    input: TemplateText
    reference: TemplateText
    evaluation_metric: Literal[SIMILARITIES]  # pyright: ignore[reportInvalidTypeForm]


class PythonGrader(_Form):
    """A program with `def grade(sample: dict, item: dict) -> float`. `image_tag` is taken and not used: it names an
    image of OpenAI's."""

    type: Literal["python"]
    source: str = Field(max_length=_LONGEST_SOURCE)
    image_tag: str | None = None

    @model_validator(mode="after")
    def _has_grade(self) -> PythonGrader:
        try:
            compile(self.source, "grader", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise ValueError(f"the source is not valid Python: {error}") from error
        if "def grade" not in self.source:
            raise ValueError("the source has no function grade(sample, item)")
        return self


class TextPart(BaseModel):
    """A piece of text in a message."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["input_text", "output_text", "text"]
    text: TemplateText


class EvalItem(BaseModel):
    """One message to a model that grades."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: TemplateText | TextPart | list[TextPart]
    type: Literal["message"] = "message"

    def texts(self) -> list[str]:
        """The templates of the content."""
        if isinstance(self.content, str):
            return [self.content]
        return [part.text for part in (self.content if isinstance(self.content, list) else [self.content])]


class Sampling(BaseModel):
    """How the model that grades is sampled."""

    model_config = ConfigDict(extra="forbid")
    seed: int | None = None
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_completions_tokens: int | None = Field(default=None, ge=1)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


class ScoreModel(_Form):
    """A model gives a number in `range`."""

    type: Literal["score_model"]
    model: str = Field(min_length=1)
    input: list[EvalItem] = Field(min_length=1)
    range: tuple[float, float] = (0.0, 1.0)
    sampling_params: Sampling | None = None

    @model_validator(mode="after")
    def _has_range(self) -> ScoreModel:
        if not self.range[0] < self.range[1]:
            raise ValueError(f"the range {list(self.range)} is empty")
        return self


class LabelModel(_Form):
    """A model chooses one of `labels`; 1 where it is among `passing_labels`."""

    type: Literal["label_model"]
    model: str = Field(min_length=1)
    input: list[EvalItem] = Field(min_length=1)
    labels: list[str] = Field(min_length=1)
    passing_labels: list[str] = Field(min_length=1)
    sampling_params: Sampling | None = None

    @model_validator(mode="after")
    def _passing_are_labels(self) -> LabelModel:
        unknown = [label for label in self.passing_labels if label not in self.labels]
        if unknown:
            raise ValueError(f"passing_labels {unknown} are not among the labels")
        return self


Single = Annotated[StringCheck | TextSimilarity | PythonGrader | ScoreModel | LabelModel, Field(discriminator="type")]


def _by_name(graders: Any) -> Any:
    """A list of graders as an object by their names: both spellings are in use."""
    if not isinstance(graders, list):
        return graders
    names = [g.get("name") if isinstance(g, dict) else None for g in graders]
    if len(set(names)) < len(names) or None in names:
        raise ValueError("graders in a list need names, each of its own")
    return dict(zip(names, graders, strict=True))


class Multi(_Form):
    """A formula over the rewards of other graders, by name."""

    type: Literal["multi"]
    graders: Annotated[dict[str, Single], BeforeValidator(_by_name)] = Field(min_length=1)
    calculate_output: str

    @model_validator(mode="after")
    def _formula_fits(self) -> Multi:
        unknown = Formula.parse(self.calculate_output).names - self.graders.keys()
        if unknown:
            raise ValueError(
                f"calculate_output speaks of {', '.join(sorted(unknown))}; the graders are {', '.join(self.graders)}"
            )
        return self


Grader = StringCheck | TextSimilarity | PythonGrader | ScoreModel | LabelModel | Multi
_ANY: TypeAdapter[Grader] = TypeAdapter(Annotated[Grader, Field(discriminator="type")])


def read_grader(raw: object) -> Grader:
    """The grader that a JSON object describes.

    Raises:
        UsageError: It is none; every fault is named.
    """
    try:
        return _ANY.validate_python(raw)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise UsageError("The grader is not valid:\n  " + "\n  ".join(dict.fromkeys(lines))) from error


def _explain(item: JsonMapping) -> str:
    kinds = {"string_check", "text_similarity", "python", "score_model", "label_model", "multi"}
    place = ".".join(str(p) for p in item["loc"] if p not in kinds)
    message = item["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
