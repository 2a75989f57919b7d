"""One contestant's turn in a benchmark of training: a process of its own, given a job as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def contest(script: str, job: dict, folder: Path) -> dict:
    """Runs a script of this folder on a job; gives the last line that it prints, read as JSON.

    Args:
        script: Its name.
        job: Gets the folders `out` and `adapter`.
        folder: Empty.
    """
    job = {**job, "out": str(folder / "out"), "adapter": str(folder / "adapter")}
    for part in ("out", "adapter"):
        (folder / part).mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps(job), "utf-8")
    done = subprocess.run(
        [sys.executable, str(HERE / script), str(folder / "job.json")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])
