"""Runs from Python: results that can be questioned, events, a model that answers as the server does."""

from __future__ import annotations

import json

import pytest

import postgrad as pg
from postgrad.models.device import probe
from postgrad.models.generation.generate import Decoding
from postgrad.progress import Said, Stage
from postgrad.registry import Catalogue
from postgrad.report import run_report
from postgrad.serving.inference.engine import Engine
from tests.workflows.jobs import mails

SETTINGS = {"training.max_steps": 2, "evaluation.general": False, "evaluation.perturb": False, "evaluation.curve": []}


@pytest.fixture
def rows(tmp_path):
    return [json.loads(line) for line in mails(tmp_path / "mails.jsonl").read_text().splitlines()]


def vowels(answer, reference):
    """A metric that even an untrained model scores on."""
    return sum(c in "aeiou" for c in answer[:20]) / 20


def test_a_whole_run_from_memory(rows, tiny_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arms = ["base", "prompted", "fine_tuned"]
    options = {"base": str(tiny_folder), "name": "mails", "metric": vowels, "accept": ["too_little"]}
    train = {"decision.stop_early": False, **SETTINGS}
    job = pg.run.events(rows, arms=arms, settings=train, out="out", **options)
    events = list(job)
    assert {e.name for e in events if isinstance(e, Stage)} >= {"data", "training", "verdict"}
    report = job.result
    assert report is job.result and isinstance(events[-1], Said) and not capsys.readouterr().err
    assert report.task.metric == "vowels" and report.verdict.sentence in repr(report)

    for part in report.comparisons:  # every pair that the report has, reckoned again from the answers
        found = report.compare(part.arm, part.against)
        assert (found.difference, (found.low, found.high)) == (part.difference, part.interval)
        assert (found.p_value, found.p_adjusted, found.n) == (part.p_value, part.p_adjusted, part.n)
    first = report.comparisons[0]
    assert report.compare(first.against, first.arm).difference == -first.difference
    arm = report.arm("prompted")
    assert len(arm.examples) == report.data.test == arm.part.n
    assert [e.score for e in arm.wrong()] == sorted(e.score for e in arm.examples if e.score < 1)
    assert arm.score == pytest.approx(sum(vowels(e.answer, "") for e in arm.examples) / len(arm.examples))
    assert arm.wrong(below=0.0) == () and all(e.file == "data" and e.line for e in arm.examples)
    with pytest.raises(pg.UsageError, match="no arm 'rag'"):
        report.arm("rag")
    with pytest.raises(pg.UsageError, match="with itself"):
        report.compare("base", "base")

    opened = pg.Report.open("out")
    assert opened.model_dump() == report.model_dump() and opened.arm("base").examples == report.arm("base").examples
    assert opened.model_json_schema()["properties"] == run_report.Report.model_json_schema()["properties"]

    served = pg.load("mails@1")
    engine = Engine(Catalogue())
    rounding = 1e-6 if probe().dtype == "float32" else 0.02  # a batch of another size is another order of sums
    asked = [r["mail"] for r in rows[:3]]
    for text, together in zip(asked, served.answers(asked, max_tokens=8), strict=True):
        prepared = engine.prepare(engine.find("mails@1"), [pg.Message("user", text)], Decoding(8))
        expected = "".join(piece.text for piece in engine.stream(prepared))
        alone = served.answer(text, max_tokens=8)
        assert expected == alone.text == str(alone) == together.text
        assert expected == "".join(served.stream([{"role": "user", "content": text}], max_tokens=8))
        assert alone.confidence == pytest.approx(together.confidence, rel=rounding) and 0 < alone.confidence <= 1
        assert alone.completion_tokens == together.completion_tokens <= 8 and alone.escalate is together.escalate
    assert "mails@1" in repr(served)
    long = served.answer("Hi")  # what the context has room for
    assert long.finish in ("stop", "length") and long.prompt_tokens + long.completion_tokens <= 512

    compared = pg.compare.events("out", "out", arms=["base", "fine_tuned"]).result
    assert compared.sentence in repr(compared) and "n = " in repr(compared)


def test_stopping_keeps_what_is_done(rows, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"base": str(tiny_folder), "accept": ["too_little"], "settings": {**SETTINGS, "training.max_steps": 40}}
    job = pg.train.events(rows, name="mails", folder="run", **options)
    for event in job:
        if type(event).__name__ == "Step" and event.step == 2:
            job.stop()
            break
    with pytest.raises(pg.Interrupted):
        list(job)
    with pytest.raises(pg.Interrupted):  # and again: no result is made up
        _ = job.result
    assert "failed" in repr(job)
    again = pg.train.events(rows, name="mails", folder="run", begin="resume", **options)
    steps = [e.step for e in again if type(e).__name__ == "Step"]
    assert steps[0] > 2 and steps[-1] == 40 and again.result.name == "mails@1"
    assert repr(again.result).startswith("mails@1: ")


def test_a_call_shows_its_progress(capsys):
    rows = [{"question": f"How many are {n} lamps?", "answer": f"{n}"} for n in range(12)]
    checked = pg.check(rows)
    assert checked.read == 12 and "12 records read" in repr(checked)
    assert "Checking 12 records" in capsys.readouterr().err


def test_an_error_comes_as_it_is():
    with pytest.raises(pg.UsageError, match="no check 'nothing'"):
        pg.check([{"a": "b", "c": "d"}] * 3, accept=["nothing"])
    with pytest.raises(pg.UsageError, match="no such setting"):
        pg.run.events([{"a": "b"}], settings={"training.ranc": 3})
    with pytest.raises(pg.ModelError):
        pg.load("nobody")


def test_an_estimate(tiny_folder):
    rows = [{"question": f"How many are {n} lamps?", "answer": f"{n}"} for n in range(12)]
    found = pg.estimate(rows, base=str(tiny_folder), settings={"training.epochs": 2})
    assert found.examples == 12 and found.epochs == 2 and found.tokens > found.supervised_tokens > 0
    assert "12 examples" in repr(found)
