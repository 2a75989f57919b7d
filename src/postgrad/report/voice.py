"""The part of the report on raw text: in whose voice every way goes on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class VoiceRowPart(_Part):
    """What is written by an arm, or by the author (`arm` is empty).

    `taken`: share of the passages that a classifier of style takes for the author's, with its interval; `distance`:
    from the author's usual style, in standard deviations of single passages; `copied`: share that repeats training
    text word for word.
    """

    arm: str
    n: int
    taken: float
    interval: tuple[float, float]
    distance: float
    copied: float
    sentence_words: float
    word_letters: float


class VoiceExamplePart(_Part):
    """One passage: its beginning, what the author goes on with, and what the arms do, by name."""

    source: str
    beginning: str
    author: str
    arms: dict[str, str]


class VoicePart(_Part):
    """Every arm's voice beside the author's own; `telling` says whether the classifier can tell the author from the
    base at all."""

    rows: list[VoiceRowPart] = []
    telling: bool = False
    examples: list[VoiceExamplePart] = []
    sentence: str = ""
