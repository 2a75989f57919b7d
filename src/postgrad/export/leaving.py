"""A model that is about to leave: what it is made of, and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from postgrad.json_types import JsonObject
from postgrad.models.adapters.lora import Adapter
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.base_models import BaseModel
from postgrad.models.rendering.render import Renderer


@dataclass(frozen=True)
class Leaving:
    """A registered model.

    Attributes:
        name: As `name@version`.
        base: That it was trained on.
        base_name: As the user named it.
        trained: What was trained.
        renderer: Of the base.
        instruction: Put first where a conversation brings no system message of its own; None for none.
        facts: What else its README says: JSON-safe.
    """

    name: str
    base: BaseModel
    base_name: str
    trained: Trained
    renderer: Renderer
    instruction: str | None = None
    facts: JsonObject = field(default_factory=dict)

    @property
    def adapter(self) -> Adapter | None:
        """None where all weights were trained."""
        return self.trained if isinstance(self.trained, Adapter) else None

    @property
    def file_name(self) -> str:
        """Its name as a file's."""
        return as_file_name(self.name)


def as_file_name(name: str) -> str:
    """A model's name, with its version, as a file's."""
    return name.replace("/", "-").replace(":", "-").replace("@", "-v")


@dataclass(frozen=True)
class Written:
    """What a format wrote.

    Attributes:
        start: For each engine that can run it, the command or the lines that do.
        notes: What a reader must know.
    """

    start: Mapping[str, str]
    notes: tuple[str, ...] = ()


def main_file(folder: Path, suffix: str) -> Path:
    """The one file of a kind in an export."""
    return next(iter(sorted(folder.glob(f"*{suffix}"))))
