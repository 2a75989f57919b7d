"""What `import postgrad` gives: exactly the listed names, at once, without torch, and typed for the user's checker."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import postgrad
from tests.parsing import parsed

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "pydantic", "polars", "pandas", "pyarrow", "numpy", "typer", "rich", "sqlalchemy")
NO_TORCH = [
    "check",
    "read",
    "convert",
    "estimate",
    "Report",
    "Recipe",
    "Metric",
    "Conversation",
    "DataError",
    "Running",
]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time; best = 9\n"
        "for _ in range(5):\n"
        "    for name in [n for n in sys.modules if n.startswith('postgrad')]: del sys.modules[name]\n"
        "    start = time.process_time(); import postgrad; best = min(best, time.process_time() - start)\n"
        f"print(best, [n for n in {HEAVY} if n in sys.modules])"
    )
    best, heavy = python(code).split(maxsplit=1)
    assert float(best) < 0.1 and heavy.strip() == "[]"


def test_what_looks_at_data_imports_no_torch():
    code = f"import sys, postgrad as pg; [getattr(pg, n) for n in {NO_TORCH}]; print('torch' in sys.modules)"
    assert python(code).strip() == "False"


def test_the_names_are_those_listed():
    tree = parsed((ROOT / "src" / "postgrad" / "__init__.py").read_text("utf-8"))
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for imported in node.body
        if isinstance(imported, ast.ImportFrom)
        for alias in imported.names
    }
    assert seen | {"__version__"} == set(postgrad.__all__) == set(dir(postgrad))
    assert all(getattr(postgrad, name) is not None for name in postgrad.__all__)
    assert not hasattr(postgrad, "nothing_of_that_name")


USER = """
import postgrad as pg

def score(answer: str, reference: str) -> float:
    return float(answer == reference)

def calls(path: str) -> None:
    report = pg.run(path, metric=score, settings={"training.max_steps": 2})
    reveal_type(report)
    reveal_type(report.arm("rag").wrong())
    reveal_type(report.compare("fine_tuned", "rag").p_value)
    reveal_type(pg.train([{"a": "b"}]))
    reveal_type(pg.evaluate(path, "name"))
    reveal_type(pg.compare("a", "b"))
    reveal_type(pg.check(path).of("duplicates").records)
    reveal_type(pg.read(path)[0])
    reveal_type(pg.convert(path, "out.jsonl", "openai-chat"))
    reveal_type(pg.estimate(path).minutes)
    reveal_type(pg.load("name").answer("hi").text)
    job = pg.check.events(path)
    for event in job:
        reveal_type(event)
    reveal_type(job.result)
"""
TYPES = [
    "Report",
    "tuple[Example, ...]",
    "float",
    "TrainedModel",
    "Report",
    "CompareReport",
    "tuple[Record, ...]",
    "Record",
    "Converted",
    "float",
    "str",
    "Outline | Stage | Said | Progress | Step",
    "Checked",
]


def test_a_strict_type_checker_knows_every_name(tmp_path):
    listed = "".join(f"known_{n.strip('_')} = pg.{n}\n" for n in postgrad.__all__)
    (tmp_path / "user.py").write_text(USER + listed)
    (tmp_path / "wrong.py").write_text("import postgrad as pg\n\npg.run('a.csv', max_minutes='long')\n")
    settings = {"extraPaths": [str(ROOT / "src")], "typeCheckingMode": "strict", "venvPath": str(ROOT), "venv": ".venv"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = json.loads(done.stdout)["generalDiagnostics"]
    told = [d["message"] for d in found if d["severity"] == "information" and "is" in d["message"]]
    assert [t.rpartition(' is "')[2].rstrip('"') for t in told] == TYPES
    faults = {Path(d["file"]).name: d for d in found if d["severity"] == "error"}
    assert set(faults) == {"wrong.py"}, faults
    assert faults["wrong.py"]["rule"] == "reportArgumentType"
