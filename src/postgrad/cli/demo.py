"""`postgrad demo`: the main job on shipped data and the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.run import start
from postgrad.errors import UsageError


def command(
    example: Annotated[
        str,
        typer.Option(
            help="tickets (e-mails to JSON), policies (questions on documents) or tone (too few for a result)."
        ),
    ] = "tickets",
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the report.")] = Path("demo-report"),
    max_minutes: Annotated[float, typer.Option(help="Target for the whole run.")] = 9.0,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON and nothing else.")] = False,
) -> None:
    """Runs `postgrad run` with the recipe of a shipped example."""
    from postgrad.recipe import load_recipe, merged

    folder = examples_folder() / example
    recipe_path = folder / "recipe.yaml"
    if not recipe_path.exists():
        names = sorted(p.name for p in examples_folder().iterdir() if (p / "recipe.yaml").exists())
        raise UsageError(f"There is no shipped example {example!r}.", f"Examples: {', '.join(names)}.")
    recipe = load_recipe(recipe_path)
    changes: dict[str, object] = {"max_minutes": recipe.max_minutes or max_minutes}
    if recipe.evaluation.docs:
        changes["evaluation.docs"] = str(folder / recipe.evaluation.docs)
    data = next(p for p in sorted(folder.iterdir()) if p.suffix in (".csv", ".jsonl"))
    start(merged(recipe, changes), [data], out_folder, json)


def examples_folder() -> Path:
    """`examples/` of the checkout, or the copy inside the installed package."""
    inside = Path(__file__).parent.parent / "examples"
    return inside if inside.exists() else Path(__file__).parents[3] / "examples"
