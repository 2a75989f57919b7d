"""What the README promises is tested on what a stranger has: data that is shipped or made here, never `real_set`."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from postgrad.cli import main
from postgrad.recipe import load_recipe, merged
from postgrad.report.run_report import Report
from postgrad.workflows.run import run
from tests.conftest import write_model
from tests.parsing import parsed

ROOT = Path(__file__).parent.parent
TICKETS = ROOT / "examples" / "tickets"
PROMISES = {
    "30 planted faults are found": "checks/test_checks.py::test_faults_planted_in_the_example_are_all_found",
    "the main job on shipped data": "test_promises.py::test_the_main_job_on_shipped_mails",
    "arms, verdict, registered model": "workflows/test_main_job.py::test_the_main_job",
    "documents bring arms that retrieve": "workflows/test_main_job.py::test_documents_bring_retrieval_arms",
    "the embedded model": "models/test_sources.py::test_the_embedded_model_is_fetched_checked_and_answers",
    "a GGUF file as the base": "models/test_sources.py::test_a_gguf_file_gives_the_same_model",
    "chat": "cli/test_commands.py::test_from_run_to_chat_and_the_registry",
    "serve, for the unmodified SDK": "serving/test_openai_sdk.py::test_served_answers_are_the_evaluated_ones",
    "check, and --fix": "cli/test_check.py::test_fix_writes_the_mended_data_and_loses_nothing",
    "check and estimate on shipped data": "test_promises.py::test_shipped_mails_are_checked_and_estimated",
    "convert": "test_promises.py::test_shipped_mails_are_converted_and_read_back",
    "any shape to any other": "data/test_writers.py::test_what_is_written_reads_back_the_same",
    "augment": "cli/test_augment.py::test_noise",
    "which base is worth tuning": "workflows/test_bases.py::test_every_base_does_the_same_job",
    "evaluate": "workflows/test_evaluate.py::test_from_run_to_evaluate_to_compare",
    "compare, and --gate": "workflows/test_compare.py::test_a_loss_is_found_shown_and_stopped_at_the_gate",
    "doctor": "cli/test_commands.py::test_doctor_probes_and_remembers",
    "a remote model": "workflows/test_remote_arms.py::test_a_remote_arm_is_measured_like_the_others",
    "everything in a recipe": "test_promises.py::test_every_shipped_recipe_loads",
    "Ctrl-C loses nothing": "cli/test_bad_input.py::test_interrupted_at_each_stage_and_resumed_equals_uninterrupted",
    "a killed training goes on": "training/test_training.py::test_killed_and_resumed_equals_uninterrupted",
    "programs for OpenAI's fine-tuning API": "serving/test_guides.py::test_supervised",
    "import openai": "serving/test_moving_house.py::test_the_whole_move",
    "metrics": "evaluation/test_metric_docs.py::test_each_metric_has_a_section_with_all_its_options",
}
"""Of each promise, the test that would fail if it were broken."""


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    return {n.name: n for n in parsed(path.read_text("utf-8")).body if isinstance(n, ast.FunctionDef)}


def reaches(name: str, found: dict[str, ast.FunctionDef], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a test, a fixture that it takes or a helper that it calls asks for a real set."""
    if name == "real_set":
        return True
    if name not in found or name in seen:
        return False
    node = found[name]
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | {a.arg for a in node.args.args}
    return any(reaches(other, found, seen | {name}) for other in used)


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_has_a_test_that_needs_no_real_set(promise: str) -> None:
    file, _, name = PROMISES[promise].partition("::")
    found = functions(ROOT / "tests" / file)
    assert name in found, f"{file} has no {name}"
    assert not reaches(name, found)


def test_the_rule_can_fail() -> None:
    assert reaches("test_truncated_dolly_is_seen", functions(ROOT / "tests" / "checks" / "test_checks.py"))


@pytest.mark.parametrize("path", sorted([*ROOT.glob("recipes/*.yaml"), *ROOT.glob("examples/*/recipe.yaml")]), ids=str)
def test_every_shipped_recipe_loads(path: Path) -> None:
    assert load_recipe(path).training.epochs


def test_shipped_mails_are_checked_and_estimated(tmp_path, capsys, tiny_folder) -> None:
    mails = str(TICKETS / "tickets.jsonl")
    assert main(["check", mails, "--out", str(tmp_path / "checked"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["read"] == 510
    assert main(["estimate", mails, "--base", str(tiny_folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_shipped_mails_are_converted_and_read_back(tmp_path, capsys) -> None:
    mails, chat = TICKETS / "tickets.jsonl", tmp_path / "chat.jsonl"
    assert main(["convert", str(mails), str(chat), "--to", "openai-chat"]) == 0
    given = [json.loads(line) for line in mails.read_text("utf-8").splitlines()]
    written = [json.loads(line)["messages"] for line in chat.read_text("utf-8").splitlines()]
    pairs = {(messages[0]["content"], messages[-1]["content"]) for messages in written}
    missing = [row for row in given if (row["email"], row["answer"]) not in pairs]
    assert len(missing) <= sum(1 for row in given if not row["answer"].strip())


def test_the_main_job_on_shipped_mails(tmp_path) -> None:
    some = tmp_path / "mails.jsonl"
    some.write_text("\n".join((TICKETS / "tickets.jsonl").read_text("utf-8").splitlines()[:36]), "utf-8")
    changes = {
        "base": str(write_model(tmp_path / "tiny", context=2048)),
        "data.max_test": 7,
        "training.epochs": 1,
        "training.max_steps": 4,
        "evaluation.general": False,
        "evaluation.curve": [],
        "evaluation.perturb": False,
        "evaluation.arms": ["base", "fine_tuned"],
    }
    for _ in run(merged(load_recipe(TICKETS / "recipe.yaml"), changes), [some], tmp_path / "out"):
        pass
    report = Report.model_validate_json((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert [arm.name for arm in report.arms] == ["base", "fine_tuned"]
    assert report.verdict.sentence and report.model is not None and report.model.version == 1
    assert (tmp_path / "out" / "report.html").exists()
