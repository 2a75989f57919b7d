"""The page and the notebook run as they stand, with a tiny model, offline."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import postgrad

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_of_the_page_runs(tiny_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope: dict = {"BASE": str(tiny_folder), "__name__": "page"}
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), scope)
    said = capsys.readouterr().out
    assert "48 records (input-output columns). Input is 'question'" in said and "24 requests name Blake." in said
    assert "Stage\nSaid\n" in said and "has one column ('question')" in said
    assert scope["again"].task.metric == "first_letter" and len(scope["many"]) == 4


def test_the_page_names_what_there_is():
    used = set(re.findall(r"\bpg\.(\w+)", PAGE)) - {"__all__"}
    assert used <= set(postgrad.__all__)
    assert {n for n in postgrad.__all__ if n[0].islower()} <= used


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda p: p.name)
def test_the_notebook_runs(path, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("POSTGRAD_EXAMPLE_BASE", str(tiny_folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs: they are machine-made"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(
        str(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    assert "records read" in said and "fine_tuned" in said and "confidence" in said
