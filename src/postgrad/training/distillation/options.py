"""What a training that learns from a teacher reads. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from postgrad.objectives import OPTIONS, Options

Mode = Literal["text", "logits", "on_policy"]


def text_or_file(text: str) -> str:
    """The text itself, or the content of the file after an @. For doors whose users may read this machine's files.

    Raises:
        ValueError: that file cannot be read as text, holds none, or what it holds would be taken for another file.
    """
    if not text.startswith("@"):
        return text
    try:
        found = Path(text[1:]).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the file {text[1:]!r} cannot be read as text: {error}") from error
    if not found or found.startswith("@"):
        raise ValueError(f"the file {text[1:]!r} {'begins with an @' if found else 'is empty'}: put a text into it")
    return found


@dataclass(frozen=True, config=OPTIONS)
class DistillOptions(Options):
    """What `distill` reads."""

    teacher: str | None = None
    """Who teaches: URL#MODEL at an OpenAI-compatible address, or a local model: a known name, hub id, folder, GGUF file
    or registered name. None: the base itself, which reads more than the student (teacher_prompt, demonstrate)."""
    teacher_prompt: Annotated[str, AfterValidator(text_or_file)] | None = None
    """Instruction that only the teacher reads, before the record's own: a text, or @file."""
    demonstrate: bool = False
    """Whether the teacher is shown the record's answer as an example, to answer in its own words."""
    mode: Mode | None = None
    """text: the teacher's answers are learned; logits: its whole distribution at each token of answers; on_policy: the
    same at answers that the student samples. None: text from an address, on_policy with demonstrate, else logits."""
    answers: Literal["data", "teacher"] | None = None
    """For logits: whose answers. None: the data's where every record has one, else the teacher's."""
    answer_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest answer sampled."""
    temperature: Annotated[float, Field(gt=0, le=2)] = 1.0
    """Of the sampling, and of both distributions."""
    samples: Annotated[int, Field(ge=1, le=256)] = 1
    """For on_policy: answers sampled to each prompt."""

    @property
    def remote(self) -> bool:
        """Whether the teacher is at an address."""
        return self.teacher is not None and "://" in self.teacher

    @property
    def way(self) -> Mode:
        """The mode, where none is given the usual one."""
        return self.mode or ("text" if self.remote else "on_policy" if self.demonstrate else "logits")

    def fault(self, objective: str) -> str:
        if self.teacher is None and not self.teacher_prompt and not self.demonstrate:
            return (
                f"{objective} requires a teacher: --set teacher=URL#MODEL or a local model, or more for the base itself"
                " to read: --set teacher_prompt=@policy.txt, or --set demonstrate=true"
            )
        if self.remote and self.way != "text":
            return (
                f"a teacher at an address tells its text alone, so {self.way} cannot be learned from"
                f" {self.teacher!r}: set mode to text, or name a local model"
            )
        if self.answers and self.way != "logits":
            return f"answers is for the mode logits; in {self.way} they are the {_WHOSE[self.way]}"
        if self.samples > 1 and self.way != "on_policy":
            return f"samples is for the mode on_policy, not for {self.way}"
        if self.temperature != 1.0 and self.way == "text":
            return "temperature is for the modes logits and on_policy; text is answered greedily"
        if self.demonstrate and self.way == "logits":
            return "demonstrate is for the modes on_policy and text: its teacher has read the answers of the data"
        return ""


_WHOSE = {"text": "teacher's", "on_policy": "student's"}
