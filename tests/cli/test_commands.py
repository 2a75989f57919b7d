"""The commands as a user calls them: results on stdout, progress on stderr, one JSON document with --json."""

import json
import subprocess
import sys

import pytest

from postgrad.registry import Catalogue
from tests.cli.test_bad_input import csv, postgrad


def test_help_of_every_command(tmp_path):
    from postgrad.cli import COMMANDS

    for name in COMMANDS:
        done = postgrad(name, "--help", cwd=tmp_path)
        assert done.returncode == 0 and f"postgrad {name}" in done.stdout, name


def test_an_unknown_command_names_the_nearest(tmp_path):
    done = postgrad("serv", cwd=tmp_path)
    assert done.returncode == 2 and "'serve'" in done.stderr


def test_an_unknown_option_is_bad_usage(tmp_path):
    done = postgrad("run", "x.csv", "--tempo", "3", cwd=tmp_path)
    assert done.returncode == 2 and "--tempo" in done.stderr


def test_check_and_estimate_import_no_torch(tmp_path, tiny_folder):
    csv(tmp_path / "data.csv")
    for arguments in (["check", "data.csv"], ["estimate", "data.csv", "--base", str(tiny_folder)]):
        code = (
            f"import sys; from postgrad.cli import main; code = main({arguments!r}); sys.exit(3 if 'torch' in"
            " sys.modules else code)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_estimate_counts_what_training_counts(tmp_path, tiny_folder):
    from pathlib import Path

    from postgrad.data.load import load
    from postgrad.models.rendering.render import Renderer

    csv(tmp_path / "data.csv")
    figures = json.loads(postgrad("estimate", "data.csv", "--base", tiny_folder, "--json", cwd=tmp_path).stdout)
    rendered = [Renderer(Path(tiny_folder), 512).render(r) for r in load([tmp_path / "data.csv"]).records]
    assert figures["tokens"] == sum(len(r.ids) for r in rendered)
    assert figures["supervised_tokens"] == sum(r.supervised for r in rendered)
    dearer = json.loads(
        postgrad(
            "estimate",
            "data.csv",
            "--base",
            tiny_folder,
            "--json",
            "--epochs",
            "6",
            "--price-per-hour",
            "1",
            cwd=tmp_path,
        ).stdout
    )
    assert dearer["minutes"] == pytest.approx(2 * figures["minutes"]) and dearer["usd"] == pytest.approx(
        dearer["minutes"] / 60
    )


def test_doctor_probes_and_remembers(tmp_path, own_home):
    facts = json.loads(postgrad("doctor", "--json", cwd=tmp_path).stdout)
    assert facts["device"]["gflops"]["float32"] > 0 and facts["cores"] >= 1 and isinstance(facts["missing"], list)
    assert json.loads((own_home / "device.json").read_text())["dtype"] == facts["device"]["dtype"]


def test_json_is_the_only_thing_on_stdout(tmp_path, tiny_folder):
    csv(tmp_path / "data.csv")
    done = postgrad(
        "run", "data.csv", "--base", tiny_folder, "--arms", "base,prompted", "--no-general", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert [a["name"] for a in json.loads(done.stdout)["arms"]] == ["base", "prompted"]


def test_from_run_to_chat_and_the_registry(tmp_path, tiny_folder, monkeypatch):
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")  # in bfloat16 a served answer may part from the evaluated at a tie
    csv(tmp_path / "data.csv")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("training: {epochs: 8, learning_rate: 0.01, base_replay: 0}\n")  # sure of its answers
    done = postgrad(
        "run",
        "data.csv",
        "--base",
        tiny_folder,
        "--no-general",
        "--recipe",
        recipe,
        "--name",
        "tone",
        "--out",
        "here",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "tone@1" in done.stdout and (tmp_path / "here" / "report.html").exists()
    report = json.loads((tmp_path / "here" / "report.json").read_text())
    tuned = next(s for s in report["samples"])
    answer = postgrad("chat", "tone@1", "-m", tuned["prompt"], "--max-tokens", "8", cwd=tmp_path)
    assert answer.returncode == 0 and tuned["answers"]["fine_tuned"].strip().startswith(
        answer.stdout.strip()[:4].strip()
    )
    assert json.loads(postgrad("models", "list", "--json", cwd=tmp_path).stdout)[0]["id"] == "tone@1"
    assert postgrad("models", "promote", "tone@1", "--force", "a test", cwd=tmp_path).returncode == 0
    assert Catalogue().aliases("tone") == {"production": 1}
    assert postgrad("models", "rollback", "tone", cwd=tmp_path).returncode == 2
    assert postgrad("chat", "nobody", "-m", "hi", cwd=tmp_path).returncode == 2


def test_serve_refuses_to_listen_abroad_without_a_key(tmp_path):
    done = postgrad("serve", "--host", "0.0.0.0", cwd=tmp_path)
    assert done.returncode == 2 and "POSTGRAD_API_KEY" in done.stderr
