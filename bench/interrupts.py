"""Ctrl-C in every command at several moments: how soon it ends, with which exit code, and what it says.

    python bench/interrupts.py [--moments 10] [--only run,serve] [--longest 40] [--seed N] [--at SECONDS]

Each command runs once to its end (or to `--longest` seconds), on a tiny model; then again for each moment, between its
start and its end, with SIGINT to its process group as a terminal sends it. It must end within two seconds with 130 (or
with what it would have ended with, where it was done in that very moment), without a traceback. What resumes is run to
its end afterwards. `--at` interrupts each once, at that moment, without running it before. `--only demo` takes the
embedded model. Exit code 1 where a command was at fault.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

WITHIN_S = 2.0
FIRST_S = 0.15
"""Before that Python itself is starting, and nothing of ours has begun."""


@dataclass
class Ended:
    """One interrupted command.

    Attributes:
        moment: Seconds after its start.
        before: It had ended by itself.
        took: Seconds from the signal to its end.
        code: As a shell has it.
        text: The end of what it said.
    """

    moment: float
    took: float
    code: int
    text: str
    before: bool = False


@dataclass
class Case:
    """A command.

    Attributes:
        arguments: After `postgrad`.
        resumes: It is run to its end after the interruptions.
        lasts: It ends when it is told to.
        natural: How it ends by itself; there is no copy to restore.
    """

    arguments: Sequence[str]
    resumes: bool = False
    lasts: bool = False
    natural: int = 0
    whole: float = 0.0
    faults: list[str] = field(default_factory=list)


def cases(base: str, folder: Path, silent: str) -> dict[str, Case]:
    """Every command, with what it needs in `folder`; `silent` is a server that takes requests and never answers."""
    data, task, report = str(folder / "data.csv"), ("--base", base), str(folder / "report")
    return {
        "demo": Case(["demo"], resumes=False),
        "run": Case(["run", data, *task, "--name", "interrupted", "--out", report, "--no-general"], True),
        "train": Case(["train", data, *task, "--name", "trained"], True),
        "evaluate": Case(["evaluate", data, "--model", base, "--out", str(folder / "measured")]),
        "compare": Case(["compare", base, f"{base}2", "--data", data]),
        "check": Case(["check", data]),
        "review": Case(["review", data, "--out", str(folder / "reviewed.jsonl"), "--force"], lasts=True),
        "convert": Case(["convert", data, str(folder / "converted.jsonl"), "--to", "openai-chat"]),
        "augment": Case(
            ["augment", data, "--out", str(folder / "more.jsonl"), "--method", "paraphrase", "--teacher", base]
        ),
        "estimate": Case(["estimate", data, *task]),
        "prices": Case(["prices"]),
        "bases": Case(["bases"]),
        "models": Case(["models", "list"]),
        "export": Case(["export", "full@1", "--to", "safetensors", "--force", "--out", str(folder / "left")]),
        "parity": Case(["parity", "full@1"], natural=1),
        "push": Case(["push", "full@1", f"file://{folder / 'sent'}", "--to", "safetensors"]),
        "card": Case(["card", "full@1"]),
        "sign": Case(["sign", "--new-key", str(folder / f"key{os.getpid()}.pem")], natural=2),
        "verify": Case(["verify", str(folder), "--key", data], natural=2),
        "migrate": Case(["migrate", "full@1", "--base", f"{base}2", "--out", report], natural=2),
        "merge": Case(["merge", "full@1", "full@1", "--name", "joint"], natural=2),
        "forget-record": Case(["forget-record", data]),
        "restore": Case(["restore"]),
        "chat": Case(["chat", base], lasts=True),
        "serve": Case(["serve", *task, "--port", "0"], lasts=True),
        "import": Case(["import", "openai", "--out", str(folder / "imported"), "--base-url", silent], lasts=True),
        "keys": Case(["keys", "list"]),
        "recipe": Case(["recipe"]),
        "completion": Case(["completion", "bash"]),
        "report-schema": Case(["report-schema"]),
        "doctor": Case(["doctor"]),
    }


def start(case: Case, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "POSTGRAD_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_NUM_THREADS": "1",
        "OPENAI_API_KEY": "sk-none",
    }
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "postgrad", *case.arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def interrupted(case: Case, folder: Path, moment: float) -> Ended:
    """Starts the command and interrupts it."""
    log = folder / "said.txt"
    running = start(case, folder, log)
    before = True
    try:
        running.wait(moment)
    except subprocess.TimeoutExpired:
        before = False
        os.killpg(running.pid, signal.SIGINT)
    begin = time.monotonic()
    try:
        code = running.wait(30)
    except subprocess.TimeoutExpired:
        code = 999
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    took = time.monotonic() - begin
    return Ended(moment, took, code if code >= 0 else 128 - code, log.read_text(errors="replace")[-2000:], before)


def once(case: Case, folder: Path, moment: float) -> list[Ended]:
    """The command at one moment; its faults are noted."""
    one = interrupted(case, folder, moment)
    case.whole = one.moment + one.took
    judge(case, one, case.natural)
    return [one]


def judge(case: Case, one: Ended, natural: int) -> None:
    if one.took > WITHIN_S:
        case.faults.append(f"at {one.moment:.2f} s it took {one.took:.1f} s: {one.text[-400:]}")
    if one.code not in (130, natural, case.natural if one.before else 130):
        case.faults.append(f"at {one.moment:.2f} s it ended with {one.code}: {one.text[-600:]}")
    if "Traceback" in one.text:
        case.faults.append(f"at {one.moment:.2f} s: {one.text[-1500:]}")


def measure(name: str, case: Case, folder: Path, moments: int, longest: float, seed: int) -> list[Ended]:
    """The command at several moments; its faults are noted."""
    begin = time.monotonic()
    running = start(case, folder, folder / "said.txt")
    try:
        natural = running.wait(8 if case.lasts else longest)
    except subprocess.TimeoutExpired:
        natural = 130
        os.killpg(running.pid, signal.SIGINT)
        running.wait(60)
    case.whole = time.monotonic() - begin
    if case.resumes:
        shutil.rmtree(folder / "home" / "runs", ignore_errors=True)
    chance, found = random.Random(f"{name} {seed}"), []
    last = max(FIRST_S, case.whole - 0.05)
    for number in range(moments):
        low = FIRST_S + (last - FIRST_S) * number / moments
        one = interrupted(case, folder, chance.uniform(low, low + (last - FIRST_S) / moments))
        found.append(one)
        judge(case, one, natural)
    if case.resumes:
        again = start(case, folder, folder / "said.txt")
        if (code := again.wait(600)) != 0:
            case.faults.append(f"afterwards it ended with {code}: {(folder / 'said.txt').read_text()[-600:]}")
    return found


def prepare(folder: Path, demo: bool) -> str:
    """Data, a tiny model and a home; gives the model."""
    from own_home import full_model
    from tests.conftest import write_model

    draw, words = random.Random(1), [[a + b + c for b in "aeiou" for c in "lmnrst"] for a in "bcdfghklmnprstvw"]
    rows = [
        f"{' '.join(draw.choice(draw.choice(words)) for _ in range(9))},{draw.choice(['billing', 'delivery'])}"
        for _ in range(160)
    ]
    (folder / "data.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    home = folder / "home"
    home.mkdir()
    if demo:
        from postgrad.storage import home as usual

        (home / "models").symlink_to(usual() / "models")
    write_model(folder / "tiny2")
    base = str(write_model(folder / "tiny"))
    os.environ["POSTGRAD_HOME"] = str(home)
    full_model(base)
    return base


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    given.add_argument("--moments", type=int, default=10)
    given.add_argument("--only", help="Names of commands, with commas; all but demo without.")
    given.add_argument("--longest", type=float, default=40)
    given.add_argument("--seed", type=int, default=0)
    given.add_argument("--at", type=float)
    options = given.parse_args()
    from postgrad.cli import COMMANDS

    faults: dict[str, list[str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="postgrad-interrupts-") as scratch,
        socket.create_server(("127.0.0.1", 0)) as s,
    ):
        silent = f"http://127.0.0.1:{s.getsockname()[1]}/v1"
        folder = Path(scratch)
        wanted = options.only.split(",") if options.only else [name for name in COMMANDS if name != "demo"]
        every = cases(prepare(folder, "demo" in wanted), folder, silent)
        assert set(every) == set(COMMANDS), set(every) ^ set(COMMANDS)
        print("| Command | Seconds to its end | Interrupted | Slowest end, s |\n|---|---|---|---|")
        for name in wanted:
            case = every[name]
            if options.at:
                found = once(case, folder, options.at)
            else:
                found = measure(name, case, folder, options.moments, options.longest, options.seed)
            stopped = sum(not one.before for one in found)
            slowest = max(one.took for one in found)
            print(f"| {name} | {case.whole:.1f} | {stopped} | {slowest:.2f} |", flush=True)
            if case.faults:
                faults[name] = case.faults
    print(json.dumps(faults, indent=1) if faults else "no faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
