"""Shapes and formats of one's own, as entry points of an installed package."""

from __future__ import annotations

import gzip
import json
import zipfile

import pytest

from tests.python.toys import installed, python

PAIRS = [(f"How long does order {n} take?", f"Order {n} takes {n + 2} days by van.") for n in range(60)]
PLUGIN = """
from postgrad.data.formats.format import Format
from postgrad.data.shapes.shape import Shape
from postgrad.data.sources.rows import Rows
from postgrad.records import Conversation, Message

def read(values, about):
    turns = (Message("user", values["toy"]["ask"]), Message("assistant", values["toy"]["tell"]))
    return [Conversation(messages=turns, **about)]

def made(name, fits=lambda values: isinstance(values["toy"], dict), read=read, needs=("toy",)):
    return Shape(name, Conversation, "each row is a toy.", needs, ("toy",), fits, read)

TOYS = made("toys")
CHAT = made("OpenAI chat")
RATED = Shape(
    "rated chat", Conversation, "good ones.", ("messages", "stars"), ("messages", "stars"), lambda values: True,
    lambda values, about: [Conversation(messages=tuple(map(Message.from_dict, values["messages"])), **about)],
)
BROKEN = made("broken", fits=lambda values: 1 / 0)
UNREAD = made("unread", read=lambda values, about: values["nothing"])

def rows_of(stream, part):
    lines = b"".join(stream.whole_blocks()).decode().splitlines()
    pairs = (line.split("=", 1) for line in lines)
    rows = tuple((n, {"question": a, "answer": b}) for n, (a, b) in enumerate(pairs, 1))
    return Rows(stream.file, "toy sheet", rows, ("question", "answer"), stream.notes)

SHEET = Format("toy sheet", (".toy",), rows_of)
TABLE = Format("toy table", (".toy", ".csv"), rows_of)
SECOND = Format("second", (".toy",), rows_of)
CSV = Format("CSV or TSV", (".toy",), rows_of)
FAILING = Format("failing", (".toy",), lambda stream, part: 1 / 0)
"""


def convert(site, cwd, source):
    """(what `convert` says, the pairs that it wrote)."""
    command = ("-m", "postgrad", "convert", source, "out.jsonl", "--to", "completions", "--no-meta", "--force")
    done = python(site, cwd, *command)
    assert done.returncode == 0, done.stderr
    written = (cwd / "out.jsonl").read_text("utf-8").splitlines()
    return done.stdout + done.stderr, [(row["prompt"], row["completion"]) for row in map(json.loads, written)]


def toys(folder):
    lines = (json.dumps({"toy": {"ask": q, "tell": a}}) + "\n" for q, a in PAIRS)
    (folder / "toys.jsonl").write_text("".join(lines), "utf-8")
    (folder / "x.toy").write_text("".join(f"{q}={a}\n" for q, a in PAIRS), "utf-8")


def test_an_installed_package_adds_a_shape(tmp_path):
    toys(tmp_path)
    site = installed(tmp_path / "site", "[postgrad.shapes]\ntoys = toy_plugin:TOYS\n", PLUGIN)
    said, pairs = convert(site, tmp_path, "toys.jsonl")
    assert pairs == PAIRS
    assert "each row is a toy. The shape is of the installed package toy 1.0." in " ".join(said.split())
    without = python(None, tmp_path, "-m", "postgrad", "check", "toys.jsonl")
    assert without.returncode == 2, "nobody else knows it"


def test_a_packages_shape_says_more_than_the_houses(tmp_path):
    """What it claims by its keys would be an OpenAI chat."""
    turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in PAIRS]
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps({"messages": m, "stars": 3}) + "\n" for m in turns))
    site = installed(tmp_path / "site", "[postgrad.shapes]\nrated chat = toy_plugin:RATED\n", PLUGIN)
    code = "import postgrad as pg; data = pg.read('chat.jsonl'); print(data.shape, dict(data[0].meta))"
    assert python(site, tmp_path, "-c", code).stdout == "rated chat {}\n"
    assert python(None, tmp_path, "-c", code).stdout == "OpenAI chat {'stars': 3}\n"


def test_an_installed_package_adds_a_format(tmp_path):
    toys(tmp_path)
    text, folder = (tmp_path / "x.toy").read_text("utf-8"), tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "y.toy.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("1.toy", "2.toy"):
        (folder / name).write_text(text, "utf-8")
    (folder / "z.csv").write_text("a,b\n1,2\n")
    with zipfile.ZipFile(tmp_path / "toys.zip", "w") as archive:
        archive.writestr("x.toy", text)
        archive.writestr("readme.md", "Read me.")
    site = installed(tmp_path / "site", "[postgrad.formats]\ntoy sheet = toy_plugin:SHEET\n", PLUGIN)
    for source, count in {"x.toy": 60, "y.toy.gz": 60, "folder": 120, "toys.zip": 60}.items():
        _, pairs = convert(site, tmp_path, source)
        assert len(pairs) == count and pairs[:60] == PAIRS
    code = "import postgrad as pg; print(len(pg.check.events('x.toy').result.records))"
    assert python(site, tmp_path, "-c", code).stdout == "60\n"
    assert python(None, tmp_path, "-c", code).returncode == 1


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("[postgrad.shapes]\nOpenAI chat = toy_plugin:CHAT\n", "postgrad already has one of that name"),
        ("[postgrad.shapes]\nchat = toy_plugin:TOYS\n", "is a Shape that calls itself 'toys'"),
        ("[postgrad.shapes]\ntoys = toy_plugin:SHEET\n", "which is no Shape"),
        ("[postgrad.shapes]\nbroken = toy_plugin:BROKEN\n", "failed: ZeroDivisionError"),
        ("[postgrad.shapes]\nunread = toy_plugin:UNREAD\n", "failed: KeyError: 'nothing'"),
        ("[postgrad.formats]\nCSV or TSV = toy_plugin:CSV\n", "postgrad already has one of that name"),
        ("[postgrad.formats]\ntoys = toy_plugin:SHEET\n", "is a Format that calls itself 'toy sheet'"),
        ("[postgrad.formats]\ntoy sheet = toy_plugin:TOYS\n", "which is no Format"),
        ("[postgrad.formats]\ntoy table = toy_plugin:TABLE\n", "claims files that end with .csv, which postgrad reads"),
        (
            "[postgrad.formats]\ntoy sheet = toy_plugin:SHEET\nsecond = toy_plugin:SECOND\n",
            "claims files that end with .toy, which the installed package toy 1.0 reads",
        ),
    ],
)
def test_a_faulty_package_is_refused_by_name(tmp_path, points, message):
    toys(tmp_path)
    site = installed(tmp_path / "site", points, PLUGIN)
    done = python(site, tmp_path, "-m", "postgrad", "check", "toys.jsonl")
    assert done.returncode == 2 and message in done.stderr and "toy 1.0" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_format_that_fails_is_told_by_name(tmp_path):
    toys(tmp_path)
    site = installed(tmp_path / "site", "[postgrad.formats]\nfailing = toy_plugin:FAILING\n", PLUGIN)
    done = python(site, tmp_path, "-m", "postgrad", "check", "x.toy")
    assert "The format 'failing' of the installed package toy 1.0 failed: ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("points", ["shapes]\ntoys = toy_plugin:TOYS", "formats]\ntoy sheet = toy_plugin:SHEET"])
def test_two_packages_of_one_name_are_refused(tmp_path, points):
    toys(tmp_path)
    for name in ("toy", "toy-too"):
        installed(tmp_path / "site", f"[postgrad.{points}\n", PLUGIN, name)
    done = python(tmp_path / "site", tmp_path, "-m", "postgrad", "check", "toys.jsonl")
    assert "toy 1.0" in done.stderr and "toy-too 1.0" in done.stderr and "the name must be unique" in done.stderr
