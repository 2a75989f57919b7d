"""What docstrings and pages name between back-ticks exists: files, folders, modules, classes and what they hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.parsing import parsed

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "postgrad"
FILES = sorted(p for p in SOURCE.rglob("*.py") if "versions" not in p.parts)
PAGES = sorted(
    [*ROOT.glob("docs/**/*.md"), *ROOT.glob("design/*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md")]
)
HISTORY = {"CHANGELOG.md"}
"""Pages that tell of what was."""
SAID = {
    "Alpaca",  # a shape of data
    "LogisticRegression",  # scikit-learn's
    "Training",
    "Validation",  # words that begin a sentence
    "Report.model_json_schema",  # pydantic's
    "file.py",
    "mine.py",  # a user's
}
"""What is between back-ticks and means nothing of ours."""
FILE_NAMES = {"json", "jsonl", "html", "csv", "toml", "yaml"}
"""What a name with a dot ends with that is a file of a user's or a run's."""
NAMED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def documented(tree: ast.Module) -> Iterator[str]:
    """Docstrings of a file: of itself, its classes and functions, and those under constants and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def identifiers(tree: ast.AST) -> set[str]:
    """All names that code defines, imports, uses or passes, and the words of its strings; docstrings apart."""
    said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    found: set[str] = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found |= set(value.split("."))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            found |= set(re.findall(r"\w+", node.value))
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    return parsed(path.read_text("utf-8"))


@cache
def names_of(path: Path) -> frozenset[str]:
    return frozenset(identifiers(tree_of(path)))


@cache
def all_names() -> frozenset[str]:
    return frozenset().union(*map(names_of, FILES))


@cache
def file_names() -> frozenset[str]:
    """Names of the repository's Python files."""
    others = (p for folder in ("tests", "bench", "docs", "examples") for p in (ROOT / folder).rglob("*.py"))
    return frozenset(p.name for p in (*FILES, *others))


@cache
def members() -> dict[str, frozenset[str]]:
    """What stands in each class, by the class's name; of a name that stands for several, all."""
    found: dict[str, frozenset[str]] = {}
    for node in (n for path in FILES for n in ast.walk(tree_of(path)) if isinstance(n, ast.ClassDef)):
        bases = frozenset().union(*(names for b in node.bases if (names := found.get(ast.unparse(b)))))
        found[node.name] = found.get(node.name, frozenset()) | identifiers(node) | bases
    return found


def places(name: str, folder: Path) -> bool:
    """Whether a path leads somewhere, from the file's own folder, the package or the repository."""
    name = name.rstrip("/")
    return any((base / name).exists() or (base / f"{name}.py").exists() for base in (folder, SOURCE, ROOT))


def heads() -> set[str]:
    """First parts of paths that are ours."""
    return {p.name for p in (*SOURCE.iterdir(), *ROOT.iterdir()) if p.is_dir() and not p.name.startswith((".", "_"))}


def modules(name: str, folder: Path) -> list[Path]:
    """Files of ours that a bare module name may stand for: beside the file that says it, or in the package."""
    return [p for base in (folder, SOURCE) for p in (base / f"{name}.py", base / name / "__init__.py") if p.exists()]


def holds(module: str, name: str, path: Path) -> bool:
    """Whether a module of ours holds a name; so does a word that is no module, an object of the file's own with that
    attribute, and a setting of the recipe."""
    files = modules(module, path.parent)
    inside = {p.stem for f in files if f.name == "__init__.py" for p in f.parent.iterdir()}
    known = {name for f in {*files, path, SOURCE / "recipe.py"} if f.suffix == ".py" for name in names_of(f)}
    return not files or name in inside | known


@cache
def groups() -> frozenset[str]:
    """Groups of entry points that other packages may offer things in."""
    calls = (n for path in FILES for n in ast.walk(tree_of(path)) if isinstance(n, ast.Call))
    first = (n.args[0] for n in calls if isinstance(n.func, ast.Name) and n.func.id == "Extended" and n.args)
    return frozenset(n.value for n in first if isinstance(n, ast.Constant) and isinstance(n.value, str))


def untrue(said: str, path: Path) -> bool:
    """Whether what stands between back-ticks names something of ours that does not exist."""
    name, folder = said.removesuffix("()"), path.parent
    if {name, name.split(":")[0]} & SAID or "NAME" in name:  # NAME stands for what a reader adds
        return False
    if re.fullmatch(r"[\w-]+(/[\w.-]+)+/?|[\w-]+/", name) and name.split("/")[0] in heads():
        return not places(name, folder)
    if re.fullmatch(r"\w+\.py", name):
        return name not in file_names()
    if re.fullmatch(r"postgrad(\.\w+)+", name):
        return name not in groups() and not places(name.removeprefix("postgrad.").replace(".", "/"), SOURCE)
    if re.fullmatch(r"[A-Z]\w*[a-z]\w*(\.\w+)?", name):
        owner, _, member = name.partition(".")
        return owner not in all_names() or (bool(member) and member not in members().get(owner, ()))
    if re.fullmatch(r"[a-z]\w*\.\w+", name) and name.split(".")[1] not in FILE_NAMES:
        return not holds(*name.split("."), path)
    return said.endswith("()") and name.isidentifier() and name not in all_names()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_docstrings_name_what_exists(path: Path) -> None:
    said = {name for text in documented(tree_of(path)) for name in NAMED.findall(text)}
    wrong = sorted(name for name in said if untrue(name, path))
    assert not wrong, f"{path.relative_to(ROOT)} names what does not exist: {wrong}"


@pytest.mark.parametrize("path", [p for p in PAGES if p.name not in HISTORY], ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_name_paths_that_exist(path: Path) -> None:
    said = {n for n in NAMED.findall(path.read_text("utf-8")) if "/" in n or n.endswith(".py")}
    wrong = sorted(name for name in said if untrue(name, path))
    assert not wrong, f"{path.relative_to(ROOT)} names what does not exist: {wrong}"


@pytest.mark.parametrize(
    "said",
    ["checks/phantom.py", "phantoms.py", "postgrad.checks.phantom", "Phantom", "Recipe.phantom", "recipe.phantom",
     "phantom()", "facts/phantom.toml", "training/phantom"],
)  # fmt: skip
def test_the_rule_can_fail(said: str) -> None:
    assert untrue(said, SOURCE / "errors.py")
