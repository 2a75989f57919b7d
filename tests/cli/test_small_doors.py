"""What a newcomer tries first: help of a command, misspelt options, Tab, every setting, a port that is taken."""

from __future__ import annotations

import html
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from postgrad.cli import COMMANDS
from postgrad.cli.support.recipe_text import sections, written
from postgrad.cli.support.shells import SHELLS, options_of
from postgrad.recipe import Recipe, load_recipe, make_recipe
from tests.cli.test_bad_input import csv, postgrad
from tests.data.test_message_rows import desk, table
from tests.needs import service_missing
from tests.serving.running import Process

ROOT = Path(__file__).parents[2]


def test_help_of_a_command(tmp_path):
    assert "--thread" in postgrad("help", "check", cwd=tmp_path).stdout
    done = postgrad("--verison", cwd=tmp_path)
    assert done.returncode == 2 and "there is no option '--verison'. Did you mean '--version'?" in done.stderr
    assert "Did you mean 'check'?" in postgrad("help", "chekc", cwd=tmp_path).stderr


def test_the_recipe_that_is_printed_is_the_one_of_the_repository(tmp_path):
    text = postgrad("recipe", cwd=tmp_path).stdout
    assert text == (ROOT / "recipes" / "main.yaml").read_text("utf-8"), "postgrad recipe > recipes/main.yaml"
    (tmp_path / "all.yaml").write_text(text)
    assert load_recipe(tmp_path / "all.yaml") == Recipe(), "defaults, all of them"
    assert set(yaml.safe_load(text)) == set(Recipe.model_fields)
    lines = text.splitlines()
    bare = [n for n, line in enumerate(lines) if line and "#" not in line and "#" not in lines[n - 1]]
    assert not bare, f"without a meaning: {[lines[n] for n in bare]}"
    part = postgrad("recipe", "decision", cwd=tmp_path).stdout
    assert set(yaml.safe_load(part)) == {"decision"} and "data" in sections()
    assert "no section 'decsion'" in postgrad("recipe", "decsion", cwd=tmp_path).stderr
    changed = make_recipe({"training": {"rank": 5}, "data": {"input": ["a b"]}})
    (tmp_path / "changed.yaml").write_text(written(changed))
    assert load_recipe(tmp_path / "changed.yaml") == changed


def test_every_option_can_be_completed():
    assert {"--base", "--thread", "--no-general", "--help"} <= {name for name, _ in options_of("run")}
    for make in SHELLS.values():
        text = make()
        assert all(name in text for name in COMMANDS) and "max-minutes" in text


ASKED = {
    "postgrad che": ["check"],
    "postgrad help ser": ["serve"],
    "postgrad serve --po": ["--port"],
    "postgrad run --max-": ["--max-minutes", "--max-records"],
}


@pytest.mark.parametrize("words", ASKED)
def test_tab_in_bash(tmp_path, words):
    (tmp_path / "done").write_text(SHELLS["bash"]())
    line = (
        f"source done; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _postgrad; echo ${{COMPREPLY[@]}}"
    )
    said = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ASKED[words], said.stderr


@pytest.mark.parametrize(("shell", "command"), [("zsh", "zsh -n done"), ("fish", "fish --no-execute done")])
def test_other_shells_can_read_theirs(tmp_path, shell, command):
    if shutil.which(shell) is None:
        service_missing(f"no {shell}", shell)
    (tmp_path / "done").write_text(SHELLS[shell]())
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if shell == "fish":
        line = "source done; complete -C 'postgrad serve --po'"
        said = subprocess.run(["fish", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert said.startswith("--port")


def test_a_port_that_is_taken(tmp_path, tiny_folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = postgrad("serve", "--base", tiny_folder, "--port", port, cwd=tmp_path)
    assert done.returncode == 2 and f"Port {port} is in use" in done.stderr and f"--port {port + 1}" in done.stderr
    assert "Serving" not in done.stderr and "Errno" not in done.stderr


def test_the_servers_first_page(tmp_path, tiny_folder):
    server = Process(tmp_path / "home", tiny_folder)
    server.start()
    try:
        place = server.address.removesuffix("/v1")
        page = httpx.get(place + "/")
        assert page.headers["content-type"].startswith("text/html") and f"{place}/v1" in page.text
        for link in ("/docs", "/openapi.json", "/v1/models", "/health", "/metrics"):
            assert f'href="{link}"' in page.text and httpx.get(place + link).status_code == 200
        program = html.unescape(page.text.partition("<pre><code>")[2].partition("</code>")[0])
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert said.returncode == 0 and str(tiny_folder) in said.stdout, program + said.stderr
    finally:
        server.end()


def test_a_key_has_a_name_and_the_first_one_closes_the_door(tmp_path):
    done = postgrad("keys", "create", cwd=tmp_path)
    assert done.returncode == 2 and "A key requires a name" in done.stderr
    assert "demands one of everybody" in postgrad("keys", "create", "laptop", cwd=tmp_path).stderr
    assert "demands one of everybody" not in postgrad("keys", "create", "ci", cwd=tmp_path).stderr


def test_what_is_said_meanwhile(tmp_path, tiny_folder):
    csv(tmp_path / "data.csv")
    arguments = ["train", "data.csv", "--base", tiny_folder, "--set", "max_steps=30", "--accept", "too_little"]
    usual = postgrad(*arguments, cwd=tmp_path).stderr
    assert "Training" in usual and "steps 3/30" not in usual, "a line a stage where nobody draws a bar"
    assert not postgrad(*arguments, "--fresh", "--quiet", cwd=tmp_path).stderr
    table(tmp_path / "desk.csv", desk())
    warned = postgrad("--log-level=warning", "check", "desk.csv", cwd=tmp_path).stderr.splitlines()
    assert warned and all(line.startswith("  ! ") for line in warned)
    timed = postgrad(*arguments, "--fresh", "--timestamps", cwd=tmp_path).stderr.splitlines()
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in timed if line)
    done = postgrad(*arguments, "--log-level", "loud", cwd=tmp_path)
    assert done.returncode == 2 and "quiet, warning or info" in done.stderr
