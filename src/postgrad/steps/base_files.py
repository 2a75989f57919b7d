"""A base model's files: looked up once, when they are first needed, and fetched if need be."""

from __future__ import annotations

from pathlib import Path

from postgrad.models.base_models import BaseModel, at_hand, find_model
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Renderer, load_renderer
from postgrad.progress import Said, Working


def bases_of(base: str) -> list[str]:
    """The bases that `--base` names, separated by commas; a path with a comma in it is one base."""
    if Path(base).expanduser().exists():
        return [base]
    return list(dict.fromkeys(part.strip() for part in base.split(",") if part.strip()))


class BaseFiles:
    """The files of the base model with this name; nothing is looked up before it is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: BaseModel | None = None

    def find(self) -> Working[BaseModel]:
        """The files, fetched if need be."""
        if self._found is None:
            if not at_hand(self.name):
                yield Said(f"Fetching the base model {self.name} (once)")
            self._found = find_model(self.name)
        return self._found

    def renderer(self) -> Working[Renderer]:
        """The base's renderer; imports no torch."""
        base = yield from self.find()
        return load_renderer(base)

    def load(self) -> Working[LanguageModel]:
        """The base model in memory."""
        model = LanguageModel((yield from self.find()))
        rates = ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in model.device.gflops.items())
        yield Said(
            f"{model.name}: {model.parameters / 1e6:.0f} M parameters, computing in {model.device.dtype} on"
            f" {model.device.name} ({rates})."
        )
        return model
