"""The monthly budget from the door: it turns away what costs more by its measured price, and says so."""

import json

import pytest

from postgrad.cli import main
from tests.workflows.jobs import mails

LEARNS = {"method": "full", "embeddings": "true", "learning_rate": "0.05", "epochs": "5"}
"""What the tiny model needs to learn to say one word."""


@pytest.fixture
def command(tmp_path, tiny_folder, capsys):
    """`postgrad run` on requests that are all answered alike: only the trained model can do it."""
    path = mails(tmp_path / "mails.jsonl", count=80)
    rows = [json.loads(line) | {"answer": "yes"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fixed = ["--base", tiny_folder, "--arms", "base,fine_tuned", "--out", tmp_path / "out", "--json"]
    fixed += ["--no-general", "--no-curve", "--train-anyway", "--accept", "balance,diversity", "--price-per-hour", 100]
    fixed += [part for name, value in LEARNS.items() for part in ("--set", f"training.{name}={value}")]

    def call(*arguments):
        code = main([*map(str, ["run", path, *fixed, *arguments])])
        said = capsys.readouterr()
        return code, json.loads(said.out) if code == 0 else said.err

    return call


def test_a_budget_that_is_too_small_turns_fine_tuning_away(command):
    code, report = command("--monthly-queries", 1_000_000)
    assert code == 0 and report["verdict"]["recommendation"] == "fine_tune"
    monthly = 1000 * next(a["cost_per_1000"] for a in report["arms"] if a["name"] == "fine_tuned")

    enough = command("--monthly-queries", 1_000_000, "--monthly-budget", 2 * monthly)[1]["verdict"]
    assert enough["recommendation"] == "fine_tune"

    little = command("--monthly-queries", 1_000_000, "--monthly-budget", monthly / 2)[1]["verdict"]
    assert little["recommendation"] == "cannot_tell"
    assert f"it costs {monthly:,.2f} USD a month where {monthly / 2:,.2f} may be spent" in little["sentence"]
    assert any(reason.startswith("Not recommended all the same: it costs") for reason in little["reasons"])


def test_a_budget_without_traffic_is_refused(command):
    code, said = command("--monthly-budget", 5)
    assert code == 2 and "monthly_budget requires the traffic" in said and "--monthly-queries" in said
