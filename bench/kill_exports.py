"""Kills, full disks and torn writes while a model is exported: a folder is whole, or not there.

    python bench/kill_exports.py [--kills 100] [--full 30] [--torn 30] [--formats peft,gguf,ollama] [--seed N]

Each cycle is a process of its own that exports one model of a home over and over, in a format and to one of few places,
and says when it begins and when that is done. It is ended with kill -9 at a random moment; or its n-th write fails as
on a full disk, or stops half-way and the process with it. Afterwards every place holds nothing or an export of which no
byte is missing, and the catalogue has every export that was finished. At the end an export in each format is made and
held to the trained model once more. Faults are made below Python by a preloaded library (`faults.c`; needs a C
compiler). Exit code 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import faults

WORDS = ("full", "at the moment", "read-only", "permission", "could not be written")
"""What an error says that is the disk's."""


def export(to: str, place: Path) -> None:
    """As `postgrad export mine --to … --out … --force`."""
    from postgrad.progress import finished
    from postgrad.registry import Catalogue
    from postgrad.steps.delivery.exporting import export_model

    catalogue = Catalogue()
    finished(export_model(catalogue.get("mine@1"), catalogue, to, place, force=True))


def work(say: int, seed: int, formats: list[str], folder: Path, times: int) -> None:
    """The child: exports, each told before and after."""
    from postgrad.errors import PostgradError

    def tell(kind: str, text: str) -> None:
        os.write(say, json.dumps([kind, text]).encode() + b"\n")

    draw = random.Random(seed)
    for _ in range(times):
        to = draw.choice(formats)
        place = folder / f"{to}{draw.randrange(2)}"
        tell("begin", str(place))
        try:
            export(to, place)
        except PostgradError as error:
            tell("refused" if any(w in error.message for w in WORDS) else "fault", f"{place}: {error.message}")
        except BaseException:  # noqa: BLE001 - whatever it is, it is a fault and told
            tell("fault", traceback.format_exc()[-3000:])
        else:
            tell("done", str(place))


def wrong_places(folder: Path) -> list[str]:
    """Places that hold something that is no whole export."""
    from postgrad.steps.delivery.exporting import changed_files, record_of

    out = []
    for place in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        try:
            record_of(place)
            if changed := changed_files(place):
                out.append(f"{place.name}: {changed}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the place is wrong
            out.append(f"{place.name}: {error}")
    return out


def cycle(kind: str, draw: random.Random, state: faults.Faults, formats: list[str], folder: Path) -> dict[str, Any]:
    """One child, ended as `kind` says: what it told, and what is wrong afterwards."""
    from postgrad.registry import Catalogue
    from postgrad.registry.exports import Exports

    catalogue = Catalogue()
    before = len(Exports(catalogue).of(catalogue.get("mine@1")))
    catalogue.engine.dispose()
    if kind != "kill":
        state.set(faults.FULL if kind == "full" else faults.TORN, draw.randint(0, 25), draw.choice([1, 3, -1]))
    seed, times = draw.randrange(1 << 30), 1000 if kind == "kill" else 1
    kill_after = draw.uniform(0.0, 2.0) if kind == "kill" else None
    told, killed = faults.told_by(lambda say: work(say, seed, formats, folder, times), kill_after)
    state.set(faults.NOTHING)
    counts = collections.Counter(what for what, _ in told)
    wrong = [text for what, text in told if what == "fault"] + wrong_places(folder)
    known = len(Exports(catalogue).of(catalogue.get("mine@1"))) - before
    open_ends = counts["begin"] - counts["done"] - counts["refused"] - counts["fault"]
    if not counts["done"] <= known <= counts["done"] + open_ends:
        wrong.append(f"{counts['done']} were finished and {open_ends} open; the catalogue knows {known}")
    wrong += [f"{t} was finished and is not there" for w, t in told if w == "done" and not _excused(t, told)]
    return {"counts": counts, "wrong": wrong, "killed": killed}


def _excused(place: str, told: list[list[str]]) -> bool:
    """Whether a place may be empty: it is there, or the last that was begun goes there."""
    return Path(place).exists() or told[-1] == ["begin", place]


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    for name, usual in (("kills", 100), ("full", 30), ("torn", 30)):
        given.add_argument(f"--{name}", type=int, default=usual)
    given.add_argument("--formats", default="peft,safetensors,gguf,ollama")
    given.add_argument("--seed", type=int, default=0)
    options = given.parse_args()
    if "POSTGRAD_FAULTS" not in os.environ:
        with tempfile.TemporaryDirectory(prefix="postgrad-exports-") as scratch:
            state = faults.Faults(Path(scratch), Path(scratch))
            environment = {**os.environ, **state.environment, "POSTGRAD_HOME": f"{scratch}/home"}
            environment |= {"FAULTS_FOLDER": scratch, "OMP_NUM_THREADS": "1"}
            return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
    from tests.conftest import write_model
    from tests.export.models import register, stirred_adapter

    scratch, draw, began = Path(os.environ["FAULTS_FOLDER"]), random.Random(options.seed), time.monotonic()
    state, formats, folder = faults.Faults(scratch, scratch), options.formats.split(","), scratch / "left"
    base = write_model(scratch / "tiny")
    register(base, stirred_adapter(base))
    folder.mkdir()
    for to in formats:
        export(to, folder / f"{to}0")
    kinds = ["kill"] * options.kills + ["full"] * options.full + ["torn"] * options.torn
    draw.shuffle(kinds)
    counts: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    for number, kind in enumerate(kinds, start=1):
        one = cycle(kind, draw, state, formats, folder)
        counts += one["counts"]
        counts[f"{kind}: {'killed' if one['killed'] else 'to its end'}"] += 1
        wrong += one["wrong"]
        if number % 20 == 0:
            print(f"{number}/{len(kinds)}, {len(wrong)} faults", file=sys.stderr, flush=True)
    for to in formats:
        export(to, folder / f"{to}0")
    left = [p for p in folder.iterdir() if p.name.startswith(".")]
    told = {"seconds": round(time.monotonic() - began), **counts, "unfinished folders left": len(left)}
    print(json.dumps({**told, "faults": (wrong + wrong_places(folder))[:20]}, indent=1))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
