"""The programs of `examples/openai`, written for OpenAI, as they are: only the address and the key come from
outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from tests.conftest import write_model
from tests.serving.running import Process

FOLDER = Path(__file__).parent.parent.parent / "examples" / "openai"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))
OLDER = ("1.109.1", "2.54.0")
"""The last releases of the older lines of the SDK; `make setup-dev` installs them beside the newest."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    base = write_model(folder / "tiny", context=2048)
    names = [option for name in ("gpt-4o-mini", "gpt-4o") for option in ("--alias", f"{name}={base}")]
    process = Process(folder / "home", base, *names)
    process.start()
    yield process
    process.end()


def program(name, server, tmp_path, sdk=None):
    """What it printed."""
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": server.address,
        "OPENAI_API_KEY": "anything",
        "TMPDIR": str(tmp_path),
    }
    environment.pop("PYTHONPATH", None)
    if sdk:
        environment["PYTHONPATH"] = str(sdk)
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def after(output, label):
    """The rest of the line that begins so."""
    return next(line.removeprefix(label).strip() for line in output.splitlines() if line.startswith(label))


def test_supervised(server, tmp_path):
    said = program("supervised", server, tmp_path)
    assert after(said, "Answer:") == after(said, "Streamed:")
    model = after(said, "Model:")
    assert model.startswith("ft:gpt-4o-mini-2024-07-18:") and ":entities:" in model
    order = [
        "Created fine-tuning job",
        "Validating training file",
        "Fine-tuning job started",
        "New fine-tuned model created",
        "The job has successfully completed",
    ]
    assert [said.index(words) for words in order] == sorted(said.index(words) for words in order)
    assert "validation loss=" in said


def test_classification(server, tmp_path):
    said = program("classification", server, tmp_path)
    assert "15 steps" in after(said, "Result file:") and after(said, "Right:").endswith("of 8")
    assert after(said, "Model:").startswith("ft:babbage-002:")


def test_function_calling(server, tmp_path):
    said = program("function_calling", server, tmp_path)
    for model in ("gpt-4o-mini", after(said, "Model:")):
        first, second = after(said, f"{model} |").split(" | ")
        assert all(call.split("(")[0] in ("take_off", "land") for call in (first, second))


def test_distillation(server, tmp_path):
    said = program("distillation", server, tmp_path)
    assert after(said, "Found again by its metadata:") == "True" and "kind=" in after(said, "Teacher:")


def test_preferences(server, tmp_path):
    said = program("preferences", server, tmp_path)
    assert after(said, "Beta:").startswith("0.1") and "brief-dpo" in after(said, "Model:")


def test_reinforcement(server, tmp_path):
    said = program("reinforcement", server, tmp_path)
    assert 0.2 < float(after(said, "Reward of a near miss:").split(" ", 1)[0]) < 0.5
    assert "2 mean reward" in said and after(said, "Model:").startswith("ft:o4-mini-2025-04-16:")


def test_evaluations(server, tmp_path):
    said = program("evaluations", server, tmp_path)
    for model in ("gpt-4o-mini", "gpt-4o"):
        assert after(said, f"with {model} ").startswith("completed")
    assert said.count("My screen is black. ->") == 2 and after(said, "Deleted:") == "True"


def test_checkpoints(server, tmp_path):
    said = program("checkpoints", server, tmp_path)
    assert after(said, "Paused:") in ("pausing", "paused") and after(said, "Now:") == "paused"
    assert after(said, "Resumed:") == "queued" and said.count(":ckpt-step-") == 3
    assert after(said, "Taken back:") == "True" and after(said, "Cancelled:") == "cancelled"
    assert after(said, "Deleted:") == "True True" and after(said, "Gone:") == "model_not_found"


def test_asynchronous(server, tmp_path):
    said = program("asynchronous", server, tmp_path)
    assert all(f":{word}:" in said for word in ("plum", "fig", "quince")) and "none twice: True" in said


@pytest.mark.parametrize(("name", "version"), [("asynchronous", OLDER[0]), ("evaluations", OLDER[1])])
def test_with_the_last_releases_of_older_lines_of_the_sdk(server, tmp_path, name, version):
    sdk = Path(sys.prefix) / "sdks" / version
    if not (sdk / "openai").is_dir():
        pytest.skip(f"openai {version} is not at hand ('make setup-dev' installs it in {sdk})")
    probe = "import openai; print(openai.__version__)"
    found = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "PYTHONPATH": str(sdk)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == version != openai.__version__
    assert program(name, server, tmp_path, sdk)


def test_every_program_is_tested():
    tested = {name.removeprefix("test_") for name in globals()}
    assert PROGRAMS and set(PROGRAMS) <= tested


def test_a_name_without_an_alias_says_what_to_do(server):
    client = openai.OpenAI(base_url=server.address, api_key="x", max_retries=0)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "model_not_found" and "--alias gpt-4.1=" in json.dumps(caught.value.body)
