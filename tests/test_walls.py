"""The walls: who may import whom, what must not import torch, names in their dictionaries, short files."""

import ast
import keyword
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest

from tests.parsing import parsed

SOURCE = Path(__file__).parent.parent / "src" / "postgrad"
STAGES = {"data", "checks", "training", "evaluation", "decision", "registry", "export", "pages"}
FLOORS = ("words", "models", "stages", "steps", "workflows", "serving", "cli")
"""From below: a floor imports itself and what lies beneath it; stages never import each other."""
OTHERS = {"__init__": "cli", "__main__": "cli", "python": "cli"}
FILES = sorted(p for p in SOURCE.rglob("*.py") if "migrations" not in p.parts)
MODULES = {
    ".".join(("postgrad", *p.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): p for p in FILES
}


def imports(path: Path) -> set[str]:
    """Files of postgrad (by dotted name) and other modules that a file imports, at its top or inside functions."""
    found: set[str] = set()
    for node in ast.walk(parsed(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {m if (m := f"{node.module}.{a.name}") in MODULES else node.module for a in node.names}
    return found


def room(module: str) -> str:
    """The part of postgrad that a dotted module belongs to."""
    return [*module.split("."), "__init__"][1]


def floor(part: str) -> int:
    """The floor that a part stands on."""
    name = "stages" if part in STAGES else OTHERS.get(part, part if part in FLOORS else "words")
    return FLOORS.index(name)


def allowed(importer: str, imported: str) -> bool:
    """Whether one part of postgrad may import another."""
    if importer == imported or imported == "__init__":
        return True
    return floor(imported) < floor(importer) or floor(imported) == floor(importer) != FLOORS.index("stages")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    wrong = [m for m in imports(path) if m.split(".")[0] == "postgrad" and not allowed(own, room(m))]
    assert not wrong, f"{path} may not import {wrong}"


def test_the_rule_can_fail():
    assert not allowed("data", "checks") and not allowed("records", "models") and not allowed("models", "training")
    assert not allowed("steps", "workflows") and not allowed("workflows", "serving") and not allowed("serving", "cli")
    assert allowed("steps", "data") and allowed("serving", "workflows") and allowed("data", "models")
    assert {part.name for part in SOURCE.iterdir() if part.is_dir()} >= STAGES | set(FLOORS[3:]), "no phantom rooms"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that can reach each other (Tarjan, 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for follower in graph.get(node, ()):
            if follower not in number:
                visit(follower)
                lowest[node] = min(lowest[node], lowest[follower])
            elif follower in stack:
                lowest[node] = min(lowest[node], number[follower])
        if lowest[node] == number[node]:
            at = stack.index(node)
            if len(stack) > at + 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in graph:
        if node not in number:
            visit(node)
    return found


def test_no_circle_of_files_anywhere():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    graph = {name: {m for m in imports(path) if m in MODULES and m != name} for name, path in MODULES.items()}
    assert not circles(graph)


def test_words_never_import_torch():
    words = [p for p in SOURCE.glob("*.py") if p.stem not in ("__main__", "__init__")]
    assert words
    for path in words:
        heavy = [m for m in imports(path) if m.split(".")[0] in ("torch", "transformers")]
        assert not heavy, f"{path} imports {heavy}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_hold_one_idea_and_say_which(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(parsed(text)), "a header says why the file exists"


def test_a_folder_can_be_read_at_a_glance():
    """About twenty files; `checks/` and `cli/` may have more: one check or command a file, and nothing else."""
    counts = {folder: len(list(folder.glob("*.py"))) for folder in {path.parent for path in FILES}}
    long = {str(folder.relative_to(SOURCE)) for folder, count in counts.items() if count > 22}
    assert long == {"checks", "cli"}, "split what has more files"


def test_help_answers_at_once_and_without_torch():
    code = (
        "import sys; from postgrad.cli import main; main(['--help']); heavy = {'torch', 'transformers', 'typer',"
        " 'pydantic'} & set(sys.modules); sys.exit(1 if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "postgrad demo" in done.stdout


def test_every_command_has_its_file():
    from postgrad.cli import COMMANDS, file_of

    for name in COMMANDS:
        assert (SOURCE / "cli" / f"{file_of(name)}.py").exists() and file_of(name).isidentifier()
        assert not keyword.iskeyword(file_of(name))


def test_facts_have_a_date_and_a_source():
    paths = [*SOURCE.rglob("*.toml")]
    assert len(paths) > 15
    for path in paths:
        facts = tomllib.loads(path.read_text("utf-8"))
        tables = [facts] if "date" in facts else [t for t in facts.values() if isinstance(t, dict)]
        for table in tables:
            known = (
                table["date"] or table["source"].partition("read ")[2][:10]
            )  # undated sources say when they were read
            assert date.fromisoformat(known) and table["source"].strip(), path


def test_facts_have_one_way_in():
    readers = [p for p in FILES if {"tomllib", "importlib.resources"} <= {*imports(p)} | _resources(p)]
    assert readers == [SOURCE / "facts" / "__init__.py"], "load_facts reads data files, and nobody else"


def _resources(path: Path) -> set[str]:
    return {"importlib.resources"} if "resources.files(" in path.read_text("utf-8") else set()


def longest_list(path: Path) -> int:
    """How many texts the longest list of a file holds, each of them written out."""
    lists = [n.elts for n in ast.walk(parsed(path.read_text("utf-8"))) if isinstance(n, ast.List | ast.Tuple | ast.Set)]
    return max(
        (sum(isinstance(e, ast.Constant) and isinstance(e.value, str) for e in found) for found in lists), default=0
    )


@pytest.mark.parametrize("path", [p for p in FILES if "checks" in p.parts], ids=lambda p: str(p.relative_to(SOURCE)))
def test_lists_of_words_are_facts_not_code(path):
    assert longest_list(path) <= 12, "words belong into facts/*.toml"


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


def kept_recipes(tree: ast.AST) -> list[str]:
    """Fields and attributes of classes that hold a recipe or a section of one."""

    def of_recipe(annotation: ast.expr | None) -> bool:
        names = [n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)] if annotation else []
        return any(name == "Recipe" or name.endswith("Section") for name in names)

    found: list[str] = []
    for kind in (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)):
        found += [
            f"{kind.name}.{ast.unparse(n.target)}"
            for n in kind.body
            if isinstance(n, ast.AnnAssign) and of_recipe(n.annotation)
        ]
        for function in (n for n in kind.body if isinstance(n, ast.FunctionDef)):
            given = {a.arg for a in (*function.args.args, *function.args.kwonlyargs) if of_recipe(a.annotation)}
            for node in (n for n in ast.walk(function) if isinstance(n, ast.Assign)):
                stored = [t for t in ast.walk(node) if isinstance(t, ast.Attribute) and isinstance(t.ctx, ast.Store)]
                parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                if stored and given & {n.id for n in parts if isinstance(n, ast.Name)}:
                    found.append(f"{kind.name}.{function.name}")
    return found


def test_nothing_below_the_workflows_keeps_a_recipe():
    bad = "class A:\n    recipe: Recipe\nclass B:\n    def __init__(self, s: DataSection, n): self.n, self.s = n, s\n"
    assert kept_recipes(parsed(bad)) == ["A.recipe", "B.__init__"]
    below = [p for p in FILES if floor(p.relative_to(SOURCE).parts[0].removesuffix(".py")) < FLOORS.index("workflows")]
    kept = {str(p.relative_to(SOURCE)): found for p in below if (found := kept_recipes(parsed(p.read_text("utf-8"))))}
    assert set(kept) <= {"recipe.py"}, "sections become values at the door, or are passed and forgotten"


def inner_imports(tree: ast.Module) -> set[int]:
    """Lines inside functions on which something of postgrad is imported."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.ImportFrom)]
    return {n.lineno for n in inside if (n.module or "").startswith("postgrad")}


def test_an_import_inside_a_function_says_why():
    """Only start-up time is a reason; commands and the Python door load late as a rule."""
    assert inner_imports(parsed("def f():\n    from postgrad.errors import UsageError\n")) == {2}
    silent = []
    for path in FILES:
        if path.relative_to(SOURCE).parts[0] in ("cli", "python", "__init__.py", "__main__.py"):
            continue
        lines = path.read_text("utf-8").splitlines()
        silent += [f"{path}:{n}" for n in inner_imports(parsed("\n".join(lines))) if "# here" not in lines[n - 1]]
    assert not silent
