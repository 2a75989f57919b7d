"""`examples/leave.md`: every command and program of it runs, on a smaller model."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from postgrad.cli import main
from tests.export.models import register, stirred_adapter

PAGE = Path(__file__).parents[2] / "examples" / "leave.md"
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def left(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    register(tiny_folder, stirred_adapter(tiny_folder), name="tickets")
    for line in BLOCKS[0][1].strip().splitlines():
        assert main(shlex.split(line)[1:]) == 0, line
    return tmp_path / "left"


def test_every_way_out(left, capsys):
    """The folders are there, hold what they held, and the adapter's own script answers."""
    folders = next(text for kind, text in BLOCKS if "--folder" in text)
    assert main(shlex.split(folders)[1:]) == 0
    said = capsys.readouterr().out
    assert said.count("Every file is as it was exported") == 4
    script = re.search(r"`python (left/adapter/load.py) \"(.*?)\"`", PAGE.read_text("utf-8"))
    assert script is not None
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script.group(1), script.group(2)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_llama_cpp_answers(left, capsys):
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed; make parity installs it")
    program = next(text for kind, text in BLOCKS if kind == "python")
    exec(compile(program, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.strip()


def test_a_server_is_held_to_it(left, tiny_folder):
    """The page's command for vLLM, against this house's own server: the address is another one."""
    from postgrad.registry import Catalogue
    from postgrad.serving.app import make_app
    from postgrad.serving.inference.engine import Engine
    from tests.serving.running import in_thread

    command = next(text for kind, text in BLOCKS if "--url" in text)
    Catalogue().promote("tickets@1")
    with in_thread(make_app(Engine(Catalogue()))) as address:
        arguments = shlex.split(command.replace("http://127.0.0.1:8000/v1", address))[1:]
        assert main(arguments) == 0
