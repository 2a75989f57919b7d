"""A recipe as a file that explains itself: each setting with its default, above it what it means."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml
from pydantic import BaseModel

from postgrad.objectives import names, spec_of
from postgrad.recipe import Recipe

_WIDTH = 118
_END = "\n...\n"
"""What PyYAML writes after a value that stands alone."""


def sections() -> tuple[str, ...]:
    """The names of the parts of a recipe."""
    return tuple(n for n, info in Recipe.model_fields.items() if _is_section(info.annotation))


def written(recipe: Recipe, section: str | None = None) -> str:
    """The recipe as YAML with comments.

    Args:
        section: Only this part.
    """
    lines = ["# Every setting of a recipe with its default. Keep what you change: `postgrad run DATA --recipe FILE`"]
    for name, info in Recipe.model_fields.items():
        value = getattr(recipe, name)
        if section not in (None, name):
            continue
        if not _is_section(info.annotation):
            lines += _setting(name, value, info.description, "")
            continue
        lines += ["", *_comment((type(value).__doc__ or "").strip(), ""), f"{name}:"]
        for key, inner in type(value).model_fields.items():
            lines += _setting(key, getattr(value, key), inner.description, "  ")
        if name == "training":
            lines += _options()
    return "\n".join(lines) + "\n"


def _options() -> list[str]:
    """The objectives' own settings, each once, with whose they are."""
    whose: dict[str, list[str]] = {}
    meaning: dict[str, str | None] = {}
    for objective in names():
        for key, info in spec_of(objective).fields.items():
            whose.setdefault(key, []).append(objective)
            meaning.setdefault(key, info.description)
    lines: list[str] = []
    for key, objectives in whose.items():
        lines += _setting(key, None, f"Of {', '.join(objectives)}: {meaning[key]}", "  ")
    return lines


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _setting(name: str, value: Any, meaning: str | None, indent: str) -> list[str]:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return [*_comment(meaning or "", indent), f"{indent}{name}: {text.removesuffix(_END).strip()}"]


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
