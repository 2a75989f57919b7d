"""The tutorial and the pages for newcomers, followed word for word: every block runs, in its order, in one folder.

What takes minutes runs on a tiny base and with fewer arms; everything else is what the page says.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from openpyxl import load_workbook

from postgrad.recipe import Recipe, make_recipe
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from tests.conftest import ROOT
from tests.following import blocks, follow
from tests.serving.loopback import running
from tests.serving.running import Process, examples, until


@pytest.fixture
def folder(tmp_path: Path, tiny_folder: Path) -> Path:
    """A place with the shipped examples and a home of its own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "quick.yaml").write_text("training: {too_long: drop, max_steps: 20}\ndata: {max_test: 30}\n", "utf-8")
    return tmp_path


def test_the_tutorial_word_for_word(folder, tiny_folder, monkeypatch, capsys):
    seen: list[str] = []
    for kind, block in blocks("tutorial.md"):
        if kind == "python":
            monkeypatch.setenv("POSTGRAD_HOME", str(folder / "home"))
            with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
                exec(compile(block.replace("http://127.0.0.1:8000/v1", address), "docs/tutorial.md", "exec"), {})
            assert capsys.readouterr().out.strip()
            continue
        for line in block.splitlines():
            if line.startswith("postgrad serve"):
                continue  # the next block asks a real server
            out = follow(line, folder, tiny_folder)
            seen.append(line.split()[1])
            if "run" in line.split():  # a tiny random model is not recommended; the page says what to do then
                assert "tickets@1" in out
                follow('postgrad models promote tickets@1 --force "the tutorial"', folder, tiny_folder)
    assert seen == ["convert", "check", "check", "estimate", "run", "chat", "export"]
    report = folder / "tickets-fixed-report"
    assert (report / "report.html").exists() and (report / "answers.html").exists()
    book = load_workbook(folder / "tickets-fixed.xlsx")
    assert book.sheetnames == ["data", "removed", "findings"]
    assert next(book["data"].iter_rows(values_only=True))[-1] == "postgrad"
    assert (folder / "tickets-check" / "check.csv").exists()


def test_the_page_for_excel(folder, tiny_folder):
    follow("postgrad convert examples/tickets/tickets.jsonl tickets.xlsx --to csv", folder, tiny_folder)
    for kind, block in blocks("start/excel.md"):
        for line in block.splitlines() if not kind else ():
            if line.startswith("postgrad "):
                follow(line, folder, tiny_folder)
    assert (folder / "tickets-fixed-report" / "report.html").exists()


def test_the_page_for_engineers(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for kind, block in blocks("start/engineer.md"):
        if kind == "python":
            exec(compile(block, "docs/start/engineer.md", "exec"), {})
    assert "60 records read" in capsys.readouterr().out


def test_the_page_for_openai(tiny_folder, capsys):
    with running(make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))) as address:
        for kind, block in blocks("start/openai.md"):
            if kind == "python":
                exec(compile(block.replace("http://127.0.0.1:8000/v1", address), "docs/start/openai.md", "exec"), {})
    assert "tiny" in capsys.readouterr().out


def test_the_programs_of_the_readme_and_of_the_page_on_serving(tiny_folder, tmp_path, monkeypatch):
    """Against a real server; of the job only the waiting is added, which the page leaves to a comment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tickets.jsonl").write_bytes(examples(20))
    server = Process(tmp_path / "home", tiny_folder, "--alias", f"tickets={tiny_folder}")
    server.start()
    try:
        scope: dict = {"waited": lambda client, id: until(lambda: ended(client.fine_tuning.jobs.retrieve(id)), 150)}
        for page in ("../README.md", "serving.md"):
            for kind, block in blocks(page):
                code = block.replace("http://127.0.0.1:8000/v1", server.address)
                code = code.replace("client.fine_tuning.jobs.retrieve(job.id)", "waited(client, job.id)")
                if kind == "python":
                    exec(compile(code, page, "exec"), scope)
        assert scope["job"].status == "succeeded"
        client, run = scope["client"], scope["run"]
        done = until(lambda: judged(client.evals.runs.retrieve(run.id, eval_id=scope["made"].id)), 100)
        assert done.result_counts.total == 1
    finally:
        server.end()


def ended(job):
    return job if job.status in ("succeeded", "failed", "cancelled") else None


def judged(run):
    return run if run.status in ("completed", "failed") else None


def test_settings_that_pages_show_are_settings():
    shown = 0
    for page in (ROOT / "docs").glob("*.md"):
        for kind, block in blocks(page.name):
            read = yaml.safe_load(block) if kind == "yaml" else tomllib.loads(block) if kind == "toml" else None
            if isinstance(read, dict) and set(read) <= set(Recipe.model_fields):
                make_recipe(read)
                shown += 1
    assert shown >= 2
