"""What a company does with postgrad, from a file to a served model, as one program: for the tests that take the network
away or write down who is called.

    python -m tests.hostile.in_house FOLDER [short]

`short` leaves the training out: a model of the base's own is served and exported.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import openai

from tests.conftest import write_model
from tests.serving.running import SOURCE, Process, examples

WORDS = [[a + b + c for b in "aeiou" for c in "lmnrst"] for a in "bcdfghklmnprstvw"]


def command(folder: Path, *arguments: str) -> None:
    """Runs `postgrad` with these arguments; its words are shown where it fails."""
    environment = {**os.environ, "POSTGRAD_HOME": str(folder / "home"), "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-m", "postgrad", *arguments],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-1500:]}{done.stderr[-3000:]}"
    print(arguments[0], "fine", flush=True)


def served(folder: Path, base: str, name: str, job: bool) -> None:
    """Chats with the trained model, and trains another through the API."""
    server = Process(folder / "home", base)
    server.start()
    try:
        client = openai.OpenAI(base_url=server.address, api_key="none", max_retries=0, timeout=120)
        said = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "bal"}], max_tokens=4)
        assert said.choices
        assert client.embeddings.create(model="wordllama-256", input="a lamp").data
        if not job:
            return
        file = client.files.create(file=io.BytesIO(examples(12)), purpose="fine-tune").id
        made = client.fine_tuning.jobs.create(model=base, training_file=file, hyperparameters={"n_epochs": 1}).id
        while (now := client.fine_tuning.jobs.retrieve(made)).status not in ("succeeded", "failed", "cancelled"):
            time.sleep(0.3)
        assert now.status == "succeeded", now.error
        client.chat.completions.create(
            model=str(now.fine_tuned_model), messages=[{"role": "user", "content": "bal"}], max_tokens=4
        )
    finally:
        server.end()
        print("serve fine", flush=True)


def main(folder: Path, short: bool = False) -> None:
    base = str(write_model(folder / "tiny"))
    rows = [" ".join(words[(7 * i + 3 * j) % 30] for j, words in enumerate(WORDS[: 6 + i % 5])) for i in range(150)]
    lines = [f"{row},{'yes' if i % 3 else 'no'}" for i, row in enumerate(rows)]
    (folder / "data.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    command(folder, "check", "data.csv")
    if not short:
        command(folder, "run", "data.csv", "--base", base, "--name", "mine", "--out", "report", "--no-general")
    command(folder, "train", "data.csv", "--base", base, "--name", "mine", "--set", "max_steps=3")
    if not short:
        command(folder, "models", "verify")
    command(folder, "export", "mine", "--to", "peft", "--out", "left")
    served(folder, base, "mine@1", job=not short)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "short" in sys.argv[2:])
