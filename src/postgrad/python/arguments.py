"""The arguments that the functions of the API share: data, places, settings, and how they become a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from postgrad.recipe import Recipe, load_recipe, merged

DataLike: TypeAlias = Any
"""A path or address; a table (polars, pandas, pyarrow); an iterable of dictionaries or of records; or a list of paths
and tables."""
Place: TypeAlias = Path | str
SettingsLike: TypeAlias = Mapping[str, object]
"""Any settings of the recipe by their dotted names: `{"training.rank": 32, "decision.monthly_queries": 5000}`."""


def recipe_of(recipe: Recipe | Place | None, settings: SettingsLike | None, changes: SettingsLike) -> Recipe:
    """All settings: those of the recipe, then of the arguments, then of `settings`."""
    start = recipe if isinstance(recipe, Recipe) else Recipe() if recipe is None else load_recipe(Path(recipe))
    return merged(start, {**changes, **(settings or {})})


def data_changes(
    input: str | Sequence[str] | None, output: str | Sequence[str] | None, system: str | None, accept: Sequence[str]
) -> dict[str, object]:
    """The arguments about data as settings of the recipe."""
    return {
        "data.input": listed(input),
        "data.output": listed(output),
        "data.system_prompt": system,
        "data.accept": list(accept) or None,
    }


def listed(names: str | Sequence[str] | None) -> list[str] | None:
    """Column names as the recipe holds them."""
    if names is None:
        return None
    return [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)


def folder_of(out: Place | None, paths: Sequence[Place], what: str) -> Path:
    """Where the report goes: as given, or named after the data."""
    return Path(out) if out is not None else Path(f"{Path(paths[0]).stem}-{what}")
