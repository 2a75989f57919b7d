"""The commands that the how-to pages show, run in their order: on a tiny base, with small data of the names that the
pages use, and with a real server on loopback where a page names an address."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.following import blocks, follow, shown
from tests.models.test_remote import Server, answered

ARMS = ("--arms", "nearest,base,remote", "--max-minutes", "1", "--no-general", "--recipe", "quick.yaml")
TRAIN = ("--set", "max_steps=3", "--set", "too_long=drop")
KEYS = ("OPENAI_API_KEY", "MY_KEY")
ANSWERS = ("refund", "late", "damaged")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A place with the data sets that pages speak of."""
    for key in KEYS:
        monkeypatch.setenv(key, "sk-of-the-page")
    (tmp_path / "quick.yaml").write_text("training: {too_long: drop, max_steps: 10}\ndata: {max_test: 20}\n", "utf-8")
    things = ("sofa", "lamp", "bed", "rug", "desk", "chair", "shelf", "table")
    rows = [
        (f"My {thing} {said}, order {100 * n + m}.", label)
        for n, thing in enumerate(things)
        for m, (said, label) in enumerate(
            zip(
                ("is not for me", "never came", "arrived in pieces", "goes back", "is three weeks behind", "is torn"),
                ANSWERS * 2,
                strict=True,
            )
        )
    ]
    for name in ("tickets.csv", "mails.csv", "new-week.csv", "new.csv"):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    messages = [{"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]} for a, b in rows]
    pairs = [{"prompt": a, "chosen": b, "rejected": ANSWERS[ANSWERS.index(b) - 1]} for a, b in rows]
    for name, records in (
        ("data", messages),
        ("tickets", messages),
        ("summaries", messages),
        ("pairs", pairs),
        ("ratings", [{"prompt": a, "completion": b, "label": n % 2 == 0} for n, (a, b) in enumerate(rows)]),
        ("tasks", [{"prompt": a, "answer": b, "item": a.split()[1]} for a, b in rows]),
        ("prompts", [{"messages": [{"role": "user", "content": a}]} for a, _ in rows]),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), "utf-8")
    (tmp_path / "policy.txt").write_text("A sofa goes back within 37 days. A lamp never does.\n", "utf-8")
    shutil.copytree(ROOT / "examples" / "policies", tmp_path / "examples" / "policies")
    texts = [
        f"# House rules\n\nA {t} goes back within {n + 20} days, unused and in its box. " * 9
        for n, t in enumerate(things)
    ]
    tales = [
        " ".join(f"The {t} stood {n * k} years by the {things[k % 8]}." for k in range(99))
        for n, t in enumerate(things)
    ]
    for name, written in (("handbook", texts), ("novels", tales)):
        (tmp_path / name).mkdir()
        for n, text in enumerate(written):
            (tmp_path / name / f"part{n}.txt").write_text(text, "utf-8")
    grader = {"type": "string_check", "name": "g", "operation": "eq"}
    grader |= {"input": "{{sample.output_text}}", "reference": "{{item.reference}}"}
    (tmp_path / "grader.json").write_text(json.dumps(grader), "utf-8")
    return tmp_path


@pytest.fixture
def server():
    """Plays every address of the pages: answers a teacher's questions as a good teacher would."""
    running = Server()
    numbers = iter(range(10_000))

    def reply(request, body):
        text, n = body["messages"][-1]["content"], next(numbers)
        label = next((a for a in ANSWERS if f"must be '{a}'" in text), "refund")
        if "<answer_A>" in text:
            first, second = re.findall(r"<answer_[AB]>\n(.*?)\n</answer", text, re.DOTALL)
            return answered("[[A]]" if first > second else "[[B]]")
        if "quote" in text:
            said = re.search(r"A (\w+) goes back within (\d+) days", text)
            assert said is not None
            quote = f"A {said[1]} goes back within {said[2]} days, unused and in its box."
            return answered(json.dumps({"request": f"When may I return a {said[1]}?", "answer": quote, "quote": quote}))
        if "JSON object" in text:
            return answered(json.dumps({"request": f"Letter {n} of a customer about a {label}", "answer": label}))
        return answered(f"Message: the {n}th way of saying it")

    running.plan = [reply] * 10_000
    yield running
    running.stop()


def at(server: Server, line: str) -> str:
    return re.sub(r"https?://[\w.:-]+/v1", server.url, line)


def test_the_page_on_arms(folder, server, tiny_folder):
    for line in shown("arms.md"):
        follow(at(server, line), folder, tiny_folder, ARMS + (() if "price" in line else ("--remote-price", "1,2")))
    report = json.loads((folder / "tickets-report" / "report.json").read_text("utf-8"))
    assert sum(arm["name"].startswith("remote") for arm in report["arms"]) == 2


def test_the_page_on_augmenting(folder, server, tiny_folder):
    for line in shown("augment.md"):
        follow(at(server, line), folder, tiny_folder)
        if " augment " in line:
            made = folder / line.split("--out ")[1].split()[0]
            assert made.exists(), line
            if "--from" in line:
                made.unlink()


def test_the_pages_on_data_keeping_and_recipes(folder, tiny_folder, desk):
    for page in ("data.md", "forgetting.md", "recipe.md"):
        for line in shown(page):
            follow(line, folder, tiny_folder)
    assert (folder / "mine.yaml").read_text("utf-8").startswith("# Every setting")
    report = json.loads((folder / "mails-report" / "report.json").read_text("utf-8"))
    kinds = {b["name"]: b["kind"] for b in report["forgetting"]["benchmarks"]}
    assert kinds == {"summaries.jsonl": "neighbour", "tickets.csv": "neighbour"}


@pytest.fixture
def desk(folder):
    """The same conversations as a table, as a chat, and as a table with names of its own."""
    ways = ("sofa", "lamp", "bed", "rug", "desk", "chair", "shelf", "table", "stool", "bench", "couch", "crib")
    said = [
        (f"c{n}", who, text)
        for n in range(30)
        for who, text in (
            ("customer", f"Where is my {ways[n % 12]} number {n * 37}? I have waited {n + 2} days now."),
            ("agent", f"Your {ways[n % 12]} number {n * 37} left our house and comes in {n % 5 + 1} days."),
        )
    ]
    named = {"customer": lambda c: f"buyer{c}@mail.example", "agent": lambda c: "desk@haven.example"}
    with (folder / "desk.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("ticket_id", "sender", "message"), *said])
    with (folder / "export.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("case", "from", "body"), *((c, named[who](c), t) for c, who, t in said)])
    names = {"customer": "Jo Miller", "agent": "Haven Support"}
    lines = [
        f"[{1 + n // 2 % 28:02}/0{3 + n // 56}/2026, {8 + n % 2:02}:15:00] {names[who]}: {text}"
        for n, (_, who, text) in enumerate(said)
    ]
    (folder / "chat.txt").write_text("\n".join(lines) + "\n", "utf-8")


def test_the_page_on_training(folder, tiny_folder):
    code = next(block for kind, block in blocks("training.md") if "class Stock" in block)
    (folder / "stock.py").write_text(code, "utf-8")
    for line in shown("training.md"):
        short = ("--set", "answer_tokens=24") if "environment" in line else ()
        out = follow(line, folder, tiny_folder, (*TRAIN, *short, "--base", str(tiny_folder)))
        assert re.search(r"\b[\w-]+@\d", out), line


def test_the_page_on_objectives(folder, tiny_folder):
    """With fewer steps; what a run trains with follows from the data."""
    (folder / "quick.yaml").write_text(
        "training: {too_long: drop, max_steps: 3}\ndata: {max_test: 20}\ndecision: {stop_early: false}\n", "utf-8"
    )
    (folder / "policy.txt").write_text("Answer in one word.", "utf-8")
    for line in shown("objectives.md"):
        follow(line, folder, tiny_folder, () if " run " in line else (*TRAIN, "--base", str(tiny_folder)))
    objectives = [
        json.loads((folder / f"{name}-report" / "report.json").read_text("utf-8"))["training"]["objective"]
        for name in ("pairs", "ratings", "tasks", "novels")
    ]
    assert objectives == ["dpo", "kto", "grpo", "pretrain"]


def test_the_pages_on_comparing_export_and_promotion(folder, server, tiny_folder):
    """Four versions of a small model; what is refused for its quality is refused in words."""
    base = ("--base", str(tiny_folder))
    follow("postgrad run tickets.csv --name tickets --out last-week-report", folder, tiny_folder)
    for name in ("today-report", "production-report", "candidate-report", "demo-report"):
        shutil.copytree(folder / "last-week-report", folder / name)
    for seed in (2, 3, 4):
        follow(f"postgrad train tickets.csv --name tickets --seed {seed}", folder, tiny_folder, (*TRAIN, *base))
    follow('postgrad models promote tickets@1 --force "the page"', folder, tiny_folder)
    for line in shown("compare.md"):
        line = line.replace("smollm2-135m-instruct", str(tiny_folder)).replace("few_shot", "nearest")
        follow(at(server, line), folder, tiny_folder, codes=(0, 1) if "--gate" in line else (0,))
    for line in shown("export.md"):
        if "localhost:8080" in line or " push " in line:
            continue  # a server with the exported model: `make parity`
        refused = (0, 1) if "promote" in line and "--force" not in line else (0,)
        out = follow(line, folder, tiny_folder, codes=refused)
        if "--data new.csv" in line:
            assert "tickets@2" in out
    assert (folder / "tickets.svg").exists()


def test_the_keys_of_the_page_on_serving(folder, tiny_folder):
    out = [follow(line, folder, tiny_folder) for line in shown("serving.md") if " keys " in line]
    assert "laptop" in out[1] and len(out) == 4
