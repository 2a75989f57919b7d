"""The whole of `postgrad run` on 500 short examples: seconds by stage, in a home where nothing is kept but the base
model.

Usage: python bench/whole_run.py [further options of `postgrad run`]
The examples are requests and JSON objects of the real set snips where $POSTGRAD_SHARED/data (or ../shared/data) is at
hand, else the shipped e-mails. Prints the verdict beside the time: a run that is fast and wrong is worth nothing.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from postgrad.storage import home

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("POSTGRAD_SHARED", ROOT.parent / "shared")) / "data" / "snips"
EXAMPLES = 500


def examples(folder: Path) -> Path:
    """The file to run on."""
    if not SHARED.exists():
        return ROOT / "examples" / "tickets" / "tickets.jsonl"
    rows = [json.loads(line) for file in sorted(SHARED.glob("train_*.jsonl")) for line in file.open(encoding="utf-8")]
    path = folder / "snips.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in random.Random(0).sample(rows, EXAMPLES):
            answer = {"intent": row["intent"], **{slot["entity"]: slot["value"] for slot in row["slots"]}}
            file.write(json.dumps({"request": row["text"], "answer": answer}) + "\n")
    return path


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="postgrad-bench-") as scratch:
        fresh = Path(scratch) / "home"
        fresh.mkdir()
        for name in ("models", "benchmarks"):
            if (home() / name).exists():
                (fresh / name).symlink_to(home() / name)
        path, out = examples(Path(scratch)), Path(scratch) / "out"
        command = [sys.executable, "-m", "postgrad", "run", str(path), "--out", str(out), *sys.argv[1:]]
        start = time.monotonic()
        code = subprocess.run(command, env={**os.environ, "POSTGRAD_HOME": str(fresh)}, check=False).returncode
        seconds = time.monotonic() - start
        if code:
            sys.exit(code)
        report = json.loads((out / "report.json").read_text("utf-8"))
        print(f"\n| {path.name}, {report['data']['read']} examples | seconds |\n|---|---|")
        for stage, spent in report["seconds"].items():
            print(f"| {stage} | {spent:.0f} |")
        print(f"| whole command, with its start | {seconds:.0f} |\n\n{report['verdict']['sentence']}")


if __name__ == "__main__":
    main()
