"""The built wheel, used outside the checkout: what the commands read is in it, and what they import is required."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from tests.conftest import ROOT

BUILD = (
    "import sys; from hatchling.builders.wheel import WheelBuilder;"
    "print(next(WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=['standard'])))"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel, as an installation has them."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-c", BUILD, str(ROOT), str(folder / "built")]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    with zipfile.ZipFile(made) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def run(unpacked: Path, folder: Path, *arguments: str) -> str:
    """A Python started elsewhere that has the wheel's package before the checkout's."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "POSTGRAD_HOME": str(folder / "home")}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_requires_what_the_main_job_imports(unpacked):
    metadata = message_from_string(next(unpacked.glob("*.dist-info/METADATA")).read_text("utf-8"))
    asked = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    required = {re.split(r"[<>=!~;\[ ]", r, maxsplit=1)[0] for r in asked}
    assert required >= {"openai", "torch", "transformers", "xlsxwriter", "pyspellchecker"}


def test_the_commands_find_what_they_read(unpacked, tmp_path, tiny_folder):
    where = run(unpacked, tmp_path, "-c", "import postgrad; print(postgrad.__file__)")
    assert Path(where.strip()).is_relative_to(unpacked), "this is the checkout's package"
    lines = (ROOT / "examples" / "tickets" / "tickets.jsonl").read_text("utf-8").splitlines()[:60]
    (tmp_path / "t.jsonl").write_text("\n".join(lines), "utf-8")
    out = run(unpacked, tmp_path, "-m", "postgrad", "check", "t.jsonl")
    assert "60 records read" in out and (tmp_path / "t-check" / "check.html").exists()
    quick = ("--arms", "nearest,base,fine_tuned", "--no-general", "--max-minutes", "1")
    out = run(unpacked, tmp_path, "-m", "postgrad", "run", "t.jsonl", "--base", str(tiny_folder), *quick)
    assert "Report:" in out and (tmp_path / "t-report" / "report.html").exists()
    assert "training:" in run(unpacked, tmp_path, "-m", "postgrad", "recipe")


def test_it_says_that_it_is_typed(unpacked):
    assert (unpacked / "postgrad" / "py.typed").exists()
