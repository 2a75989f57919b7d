"""Adding one is one file and one line: for each kind of thing a toy is added to a copy of the package, in the way that
design/0007 names, and is used as users use it."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.forked import python

ROOT = Path(__file__).parent.parent
PAIRS = [(f"How long does order {n} take?", f"Order {n} takes {n + 2} days by van.") for n in range(60)]


class House:
    """A copy of the package in which things can be added."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "src" / "postgrad"
        shutil.copytree(ROOT / "src" / "postgrad", self.package)

    def add(self, file: str, text: str, table: str, line: str, where: str) -> None:
        """Adds one new file, and one line to a table of another file.

        Args:
            file: The new file, below the package.
            text: What it holds.
            table: The name of the table.
            line: What is added to it, as its first line.
            where: The file with the table, below the package; it imports what the line names.
        """
        new = self.package / file
        assert not new.exists()
        new.write_text(f'"""A toy."""\n\nfrom __future__ import annotations\n\n{text}', "utf-8")
        path = self.package / where
        old = path.read_text("utf-8").splitlines()
        at = next(n for n, row in enumerate(old) if row.startswith((f"{table}:", f"{table} =")))
        assert old[at].endswith(("{", "(")), "a table stands with one thing a line"
        rows = [*old[: at + 1], f"    {line}", *old[at + 1 :]]
        if not line.endswith('",'):  # it names something of the new file
            name = re.findall(r"\w+", line)[-1]
            module = "postgrad." + file.removesuffix(".py").replace("/", ".")
            rows.insert(rows.index("from __future__ import annotations") + 1, f"from {module} import {name}")
        path.write_text("\n".join(rows) + "\n", "utf-8")

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        """Runs Python with the copy."""
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.package.parent), str(ROOT)]), "COLUMNS": "200"}
        return python(*command, cwd=self.folder, env=env, timeout=240)

    def postgrad(self, *arguments: object) -> str:
        """What a command prints; it must go well."""
        done = self.run("-m", "postgrad", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def csv(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("question,answer\n" + "".join(f'"{q}","{a}"\n' for q, a in pairs), "utf-8")
    return path


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_note_names_tables_that_are_there():
    note = (ROOT / "design" / "0007-add-one.md").read_text("utf-8")
    named = re.findall(r"`([A-Z_]+)`[^|`]*(?:`[A-Z_]+`[^|`]*)?, `([\w/]+\.py)`", note)
    assert len(named) == 9
    for table, file in named:
        lines = (ROOT / "src" / "postgrad" / file).read_text("utf-8").splitlines()
        assert any(line.startswith((f"{table}:", f"{table} =")) for line in lines), (table, file)


CHECK = """
from postgrad.findings import Finding, check_factory


@check_factory(harm=99, advice="Leave the fruit at home.")
def bananas(*, fruit: str = "banana"):
    def check(records, context):
        found = tuple(i for i, record in enumerate(records) if fruit in record.answer_text)
        if found:
            yield Finding("bananas", "warning", f"{len(found)} answers speak of fruit.", found)

    return check
"""


def test_a_check_with_its_advice_and_its_place(house):
    house.add("checks/bananas.py", CHECK, "CHECKS", '"bananas": bananas,', "checks/__init__.py")
    pairs = [*PAIRS, *PAIRS[:5], ("What is yellow?", "A banana."), ("What is bent?", "Any banana is.")]
    out = house.postgrad("check", csv(house.folder / "data.csv", pairs), "--json")
    warnings = [f for f in json.loads(out)["findings"] if f["severity"] == "warning"]
    assert max(f["count"] for f in warnings) > 2, "larger ones, before which it stands by its harm"
    assert warnings[0]["check"] == "bananas" and warnings[0]["count"] == 2
    assert warnings[0]["advice"] == "Leave the fruit at home."
    assert "Leave the fruit at home." in (house.folder / "data-check" / "check.html").read_text("utf-8")
    assert "→ Leave the fruit at home." in house.postgrad("check", "data.csv", "--accept", "bananas")


METRIC = """
from postgrad.evaluation.metrics.support.metric import Metric, each


def always(*, score: float = 1.0) -> Metric:
    return Metric("always", each(lambda answer, reference: score), title="the same for all")
"""


def test_a_metric_by_its_name_and_options(house, tiny_folder):
    house.add("evaluation/metrics/always.py", METRIC, "METRICS", '"always": always,', "evaluation/metrics/__init__.py")
    csv(house.folder / "data.csv", PAIRS)
    common = ("run", "data.csv", "--base", tiny_folder, "--arms", "base", "--no-general", "--json", "--metric")
    report = json.loads(house.postgrad(*common, "always(score=0.25)"))
    assert report["task"]["metric"] == "always" and report["arms"][0]["score"] == 0.25


SHAPE_IN = """
from postgrad.data.shapes.shape import Shape
from postgrad.records import Conversation, Message

def read(values, about):
    turns = (Message("user", values["toy"]["ask"]), Message("assistant", values["toy"]["tell"]))
    return [Conversation(messages=turns, **about)]


TOY = Shape(
    "toys", Conversation, "each row is a toy.", ("toy",), ("toy",), lambda values: isinstance(values["toy"], dict), read
)
"""
SHAPE_OUT = """
from postgrad.data.writing.writer import ShapeWriter
from postgrad.records import Conversation

TOY = ShapeWriter(
    (Conversation,), lambda record: {"toy": {"ask": record.prompt_text, "tell": record.answer_text}}, "toys of postgrad"
)
"""


def test_a_shape_to_read_and_a_shape_to_write(house):
    house.add("data/shapes/known_toys.py", SHAPE_IN, "SHAPES", "TOY,", "data/shapes/registry.py")
    house.add("data/writing/write_toys.py", SHAPE_OUT, "WRITERS", '"toy": TOY,', "data/writing/writers.py")
    house.postgrad("convert", csv(house.folder / "data.csv", PAIRS), "toys.jsonl", "--to", "toy")
    assert rows(house.folder / "toys.jsonl")[7] == {"toy": {"ask": PAIRS[7][0], "tell": PAIRS[7][1]}}
    assert "each row is a toy." in house.postgrad("convert", "toys.jsonl", "chats.jsonl", "--to", "openai-chat")
    chats = [[m["content"] for m in row["messages"]] for row in rows(house.folder / "chats.jsonl")]
    assert chats == [list(pair) for pair in PAIRS]
    assert " toy, openai-chat" in " ".join(house.postgrad("convert", "--help").replace("│", " ").split())


FORMAT = """
from postgrad.data.formats.format import Format
from postgrad.data.sources.rows import Rows


def read(stream, part):
    lines = b"".join(stream.whole_blocks()).decode().splitlines()
    pairs = (line.split("=", 1) for line in lines)
    rows = tuple((n, {"question": a, "answer": b}) for n, (a, b) in enumerate(pairs, 1))
    return Rows(stream.file, "toy", rows, ("question", "answer"), stream.notes)


TOY = Format("toy", (".toy",), read, on_hub=True)
"""


def test_a_source_format_alone_packed_in_a_folder_in_a_zip_and_on_the_hub(house):
    house.add("data/formats/toys.py", FORMAT, "FORMATS", "TOY,", "data/formats/registry.py")
    text = "".join(f"{q}={a}\n" for q, a in PAIRS)
    folder = house.folder / "toys"
    folder.mkdir()
    (house.folder / "x.toy").write_text(text)
    (house.folder / "y.toy.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "1.toy").write_text(text)
    (folder / "2.toy").write_text(text.replace("order", "parcel"))
    (folder / "z.csv").write_text("a,b\n1,2\n")
    with zipfile.ZipFile(house.folder / "toys.zip", "w") as archive:
        archive.writestr("x.toy", text)
        archive.writestr("readme.md", "Read me.")
    for name, count in {"x.toy": 60, "y.toy.gz": 60, "toys": 120, "toys.zip": 60}.items():
        out = house.postgrad("convert", name, "out.jsonl", "--to", "completions", "--no-meta", "--force")
        found = [(row["prompt"], row["completion"]) for row in rows(house.folder / "out.jsonl")]
        assert len(found) == count and found[:60] == PAIRS, out
    assert json.loads(house.postgrad("check", "x.toy", "--json"))["read"] == 60
    hub = "from postgrad.data.sources.hub import *; print(choose_files(['a/x.toy', 'x.md'], HubAddress('owner/name')))"
    assert "['a/x.toy']" in house.run("-c", hub).stdout


COMMAND = """
from typing import Annotated

import typer

from postgrad.cli.support.door import out


def command(name: Annotated[str, typer.Argument(help="Whom to greet.")]) -> None:
    out(f"Hello {name}.")
"""


def test_a_command(house):
    house.add("cli/say_hello.py", COMMAND, "COMMANDS", '"say-hello": "Greet somebody.",', "cli/__init__.py")
    assert house.postgrad("say-hello", "Ann") == "Hello Ann.\n"
    assert "say-hello" in house.postgrad("--help") and "Whom to greet." in house.postgrad("say-hello", "--help")


ENDPOINT = """
from fastapi import APIRouter, Request

toys = APIRouter(tags=["Toys"])


@toys.get("/v1/toys/{name}", operation_id="findToy")
def find(request: Request, name: str) -> dict[str, str]:
    return {"name": name, "base": next(iter(request.app.state.engine.bases))}
"""
ASKED = """
import json, sys
import httpx
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from tests.serving.loopback import running

with running(make_app(Engine(Catalogue(), [sys.argv[1]]), api_key="k")) as address:
    key = {"authorization": "Bearer k"}
    answers = [httpx.get(f"{address}/toys/bear", headers=h) for h in (key, {})]
    page = httpx.get(address.removesuffix("/v1") + "/openapi.json", headers=key).json()
print(json.dumps({"answer": answers[0].json(), "without": answers[1].status_code, "page": page["paths"]}))
"""


def test_an_endpoint_on_a_real_server(house, tiny_folder):
    house.add("serving/api/toys.py", ENDPOINT, "ROUTERS", "toys,", "serving/install.py")
    done = house.run("-c", ASKED, tiny_folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["answer"] == {"name": "bear", "base": str(tiny_folder)} and found["without"] == 401
    assert found["page"]["/v1/toys/{name}"]["get"]["operationId"] == "findToy"
    assert "/v1/chat/completions" in found["page"]
