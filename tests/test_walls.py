"""The walls: who may import whom, what must not import torch, names in their dictionaries, short files."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "postgrad"
STAGES = {"data", "checks", "training", "evaluation", "decision", "registry", "export", "monitoring"}
DOORS = {"serving", "studio", "cli", "lifecycle", "chapters", "pages"}
PAGES_MAY = {"report", "storage", "errors"}


def room(module: str) -> str:
    """The part of postgrad that a dotted module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path):
    """Modules of postgrad that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            if node.module == "postgrad":
                yield from (f"postgrad.{a.name}" for a in node.names)


FILES = sorted(p for p in SOURCE.rglob("*.py") if "migrations" not in p.parts)


def own_room(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return relative.parts[0].removesuffix(".py")


def allowed(importer: str, imported: str) -> bool:
    if imported in ("", importer):
        return True
    if importer in DOORS - {"pages"} or importer in ("__init__", "__main__"):
        return True
    words = imported not in STAGES | DOORS | {"models"}
    if importer in STAGES:
        return words or imported == "models"
    return words  # models, words and pages import words alone


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    wrong = [m for m in imports(path) if m.split(".")[0] == "postgrad" and not allowed(own_room(path), room(m))]
    assert not wrong, f"{path} may not import {wrong}"


def test_words_never_import_torch():
    words = [p for p in SOURCE.glob("*.py") if p.stem not in ("lifecycle", "__main__", "__init__")]
    assert words
    for path in words:
        heavy = [m for m in imports(path) if m.split(".")[0] in ("torch", "transformers")]
        assert not heavy, f"{path} imports {heavy}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_hold_one_idea_and_say_which(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a header says why the file exists"


def test_help_answers_at_once_and_without_torch():
    code = "import sys; from postgrad.cli import main; main(['--help']); heavy = {'torch', 'transformers', 'typer', 'pydantic'} & set(sys.modules); sys.exit(1 if heavy else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "postgrad demo" in done.stdout


def test_every_command_has_its_file():
    from postgrad.cli import COMMANDS

    for name in COMMANDS:
        assert (SOURCE / "cli" / f"{name.replace('-', '_')}.py").exists()


def test_facts_have_a_date_and_a_source():
    for path in (SOURCE / "facts").glob("*.toml"):
        facts = tomllib.loads(path.read_text("utf-8"))
        tables = [facts] if "date" in facts else [t for t in facts.values() if isinstance(t, dict)]
        for table in tables:
            assert table["date"] and table["source"], path


def test_shipped_recipes_load():
    from postgrad.recipe import load_recipe

    recipes = [*SOURCE.parents[1].glob("recipes/*"), *SOURCE.parents[1].glob("examples/*/recipe.yaml")]
    assert len(recipes) >= 3
    for path in recipes:
        load_recipe(path)


def test_version_is_one():
    import importlib.metadata

    import postgrad

    assert importlib.metadata.version("postgrad") == postgrad.__version__
