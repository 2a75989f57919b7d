"""Kills, full disks, torn writes, damaged files and clocks that jump, while models are registered, promoted, rolled
back, deleted and read: nothing that was finished is lost, nothing is there twice, nothing damaged is believed.

    python bench/kill_writes.py [--kills 1000] [--full 100] [--torn 100] [--damaged 100] [--clock 20] [--seed N]

Each cycle is a process of its own that works on one home and says when it begins something and when that is done. It is
ended with kill -9 at a random moment; or its n-th write fails as on a full disk; or stops half-way, and the process
with it. Afterwards what the catalogue and the store say must be what was finished, with or without what was being
done. Faults are made below Python by a preloaded library (`faults.c`; needs a C compiler). Exit code 1 where anything
was lost.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import faults

MODELS, MOST, STEPS = 4, 60, 12
State = dict[str, Any]


def contents(seed: int) -> dict[str, bytes]:
    """The files of a model."""
    draw = random.Random(seed)
    return {
        "adapter_config.json": b'{"r": %d}' % seed,
        "adapter_model.safetensors": draw.randbytes(draw.randint(1, 400_000)),
    }


@contextlib.contextmanager
def as_folder(seed: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in contents(seed).items():
            (Path(scratch) / name).write_bytes(data)
        yield Path(scratch)


def read(catalogue: Any) -> State:
    """What the catalogue says: versions with their blobs, and aliases."""
    entries = catalogue.list()
    models = {e.id: [e.blob, e.details["seed"]] for e in entries}
    assert len(models) == len(entries), "an entry is there twice"
    names = sorted({e.name for e in entries})
    return {"models": models, "aliases": {n: catalogue.aliases(n) for n in names}}


def operations(catalogue: Any, blobs: Any, draw: random.Random) -> Iterator[tuple[str, Any]]:
    """(what is done, does it) without end."""
    from postgrad.registry import backups
    from postgrad.storage import StageStore, home, sha256_json

    def add(name: str, seed: int) -> None:
        with as_folder(seed) as folder:
            digest = blobs.put_folder(folder)
        kept = {
            "base": "b",
            "base_hash": "h",
            "method": "lora",
            "template": "t",
            "data_hash": f"{seed}",
            "report": None,
        }
        catalogue.add(name=name, blob=digest, details={"seed": seed}, **kept)

    def copy_out(digest: str, seed: int) -> None:
        folder = blobs.get_folder(digest)
        for name, data in contents(seed).items():
            assert (folder / name).read_bytes() == data, "other bytes than were stored"

    def stage(seed: int) -> None:
        store, inputs = StageStore(home() / "stages"), {"seed": seed}
        key = sha256_json(inputs)
        found = store.get("bench", key)
        assert found is None or found == seed, "a torn stage was believed"
        store.put("bench", key, inputs, seed)

    while True:
        there = catalogue.list()
        names = [f"m{i}" for i in range(MODELS)]
        what = draw.choice(["add", "add", "promote", "rollback", "delete", "copy", "copy", "stage", "backup"])
        if len(there) > MOST:
            what = "delete"
        if what == "add" or not there:
            name, seed = draw.choice(names), draw.randrange(1 << 30)
            yield f"add {name} {seed}", partial(add, name, seed)
            continue
        one = draw.choice(there)
        if what == "promote":
            yield f"promote {one.id}", partial(catalogue.promote, one.id)
        elif what == "rollback":
            yield f"rollback {one.name}", partial(catalogue.rollback, one.name)
        elif what == "delete" and len(there) > 3 * MODELS:
            yield f"delete {one.id}", partial(catalogue.delete, one.id)
        elif what == "copy":
            yield f"copy {one.id}", partial(copy_out, one.blob, one.details["seed"])
        elif what == "stage":
            yield "stage", partial(stage, draw.randrange(50))
        elif what == "backup":
            yield "backup", partial(backups.back_up, catalogue.database)


def work(seed: int, say: int, steps: int) -> None:
    """The child: some operations, each told before and after."""
    from postgrad.blobs import Blobs
    from postgrad.errors import PostgradError, UsageError
    from postgrad.registry import Catalogue

    def tell(kind: str, text: str) -> None:
        os.write(say, json.dumps([kind, text]).encode() + b"\n")

    try:
        catalogue = Catalogue()
        doing = operations(catalogue, Blobs(), random.Random(seed))
        for _ in range(steps):
            what, does = next(doing)
            tell("begin", what)
            try:
                does()
            except UsageError:  # no earlier version, or in use: nothing was done
                tell("done", what)
            except PostgradError as error:
                tell("refused", f"{what}: {error.message}")
            else:
                tell("done", what)
    except PostgradError as error:
        tell("refused", f"opening: {error.message}")
    except BaseException:  # noqa: BLE001 - whatever it is, it is a fault and told
        tell("fault", traceback.format_exc()[-3000:])


@dataclass
class Ledger:
    """What went on.

    Attributes:
        after: The state after the last cycle; nothing may be lost from it.
        faults: In words.
    """

    after: State
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)

    def told(self, lines: list[list[str]]) -> set[str]:
        """Takes what a child said; gives the operations that may or may not have been done."""
        begun: list[str] = []
        for kind, text in lines:
            if kind == "begin":
                begun.append(text)
                self.counts["begun"] += 1
            elif kind == "done":
                begun.remove(text)
                self.counts["finished"] += 1
            elif kind == "refused":
                self.counts["refused"] += 1
                if not any(word in text for word in ("full", "at the moment", "damaged", "read-only", "permission")):
                    self.faults.append(text)
            else:
                self.faults.append(text)
        return set(begun)


def cycle(ledger: Ledger, state: faults.Faults, kind: str, draw: random.Random) -> None:
    """One child, ended as `kind` says, and the reckoning."""
    from postgrad.registry import Catalogue

    if kind == "clock":
        state.ahead(draw.choice([-86_400, 86_400]))
    if kind in ("full", "torn"):
        state.set(faults.FULL if kind == "full" else faults.TORN, draw.randint(0, 120), draw.choice([1, 3, -1]))
    seed, steps = draw.randrange(1 << 30), 100_000 if kind == "kill" else STEPS
    kill_after = draw.uniform(0.0, 0.35) if kind == "kill" else None
    said, killed = faults.told_by(lambda say: work(seed, say, steps), kill_after)
    state.set(faults.NOTHING)
    state.ahead(0)
    ledger.counts[f"{kind}: {'killed' if killed else 'to its end'}"] += 1
    open_ends = ledger.told(said)
    finished = [text for what, text in said if what == "done"]
    catalogue = Catalogue()
    now = read(catalogue)
    catalogue.engine.dispose()
    before = ledger.after
    for what in finished:
        verb, *words = what.split(" ")
        if verb == "add" and not any(
            e.startswith(f"{words[0]}@") and m[1] == int(words[1]) for e, m in now["models"].items()
        ):
            gone = any(t.startswith(f"delete {words[0]}@") for t in (*finished, *open_ends))
            if not gone:
                ledger.faults.append(f"{what} was finished and is lost")
    deleted = {t.split(" ")[1] for t in (*finished, *open_ends) if t.startswith("delete")}
    for one, model in before["models"].items():
        if now["models"].get(one) != model and one not in deleted:
            ledger.faults.append(f"{one} was there before and is lost or another one")
    moved = [t for t in finished if t.startswith(("promote", "rollback"))]
    if not moved and not any(t.startswith(("promote", "rollback")) for t in open_ends):
        for name, aliases in before["aliases"].items():
            if now["aliases"].get(name, {}) != aliases:
                ledger.faults.append(f"the aliases of {name} moved by themselves")
    last = next((t for t in reversed(moved) if t.startswith("promote")), None)
    if last and moved[-1] == last and not open_ends:
        name, _, version = last.split(" ")[1].partition("@")
        if now["aliases"].get(name, {}).get("production") != int(version):
            ledger.faults.append(f"{last} was finished, and production is {now['aliases'].get(name)}")
    ledger.after = now


def damage(ledger: Ledger, draw: random.Random) -> None:
    """Cuts or changes a stored file; it must not be believed, and the same bytes must mend it."""
    from postgrad import blobs as store
    from postgrad.blobs import Blobs
    from postgrad.errors import StorageError

    blobs = Blobs()
    digest, seed = draw.choice(list(ledger.after["models"].values()))
    path = Path(blobs._path(draw.choice([digest, *blobs.files_of(digest).values()])))
    whole = path.read_bytes()
    cut = bytearray(whole[: draw.randrange(len(whole))] if draw.random() < 0.5 else whole)
    if len(cut) == len(whole):
        cut[draw.randrange(len(cut))] ^= 1 << draw.randrange(8)
    path.chmod(0o600)
    path.write_bytes(bytes(cut))
    store._verified.clear()
    try:
        folder = blobs.get_folder(digest)
        if any((folder / name).read_bytes() != data for name, data in contents(seed).items()):
            ledger.faults.append(f"{digest} was damaged and believed")
        ledger.counts["damaged: right bytes, from the copy"] += 1
    except StorageError:
        ledger.counts["damaged: refused"] += 1
    with as_folder(seed) as again:
        if blobs.put_folder(again) != digest or blobs.looked_through(digest):
            ledger.faults.append(f"{digest} was not mended by the same bytes")


def reckoning(ledger: Ledger) -> dict[str, Any]:
    """At the end everything is read once more, by name and by content."""
    from postgrad import blobs as store
    from postgrad.blobs import Blobs
    from postgrad.registry import Catalogue
    from postgrad.storage import home

    catalogue, blobs = Catalogue(), Blobs()
    store._verified.clear()
    for entry in catalogue.list():
        folder = blobs.get_folder(entry.blob)
        for name, data in contents(entry.details["seed"]).items():
            if (folder / name).read_bytes() != data:
                ledger.faults.append(f"{entry.id} holds other bytes")
        if wrong := blobs.looked_through(entry.blob):
            ledger.faults.append(f"{entry.id}: {wrong}")
    left = [p for p in home().rglob(".*") if p.is_file() or p.is_dir()]
    taken = sum(p.stat().st_size for p in left if p.is_file())
    return {
        "models": len(ledger.after["models"]),
        "unfinished files left": len(left),
        "their MB": round(taken / 1e6, 1),
    }


def main() -> int:
    given = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    for name, usual in (("kills", 1000), ("full", 100), ("torn", 100), ("damaged", 100), ("clock", 20)):
        given.add_argument(f"--{name}", type=int, default=usual)
    given.add_argument("--seed", type=int, default=0)
    options = given.parse_args()
    if "POSTGRAD_FAULTS" not in os.environ:
        with tempfile.TemporaryDirectory(prefix="postgrad-kills-") as scratch:
            home = Path(scratch) / "home"
            home.mkdir()
            state = faults.Faults(Path(scratch), home)
            environment = {**os.environ, **state.environment, "POSTGRAD_HOME": str(home), "FAULTS_FOLDER": scratch}
            return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
    from postgrad.registry import Catalogue
    from postgrad.storage import home as home_folder

    state = faults.Faults(Path(os.environ["FAULTS_FOLDER"]), home_folder())
    draw, began = random.Random(options.seed), time.monotonic()
    work(options.seed, os.open(os.devnull, os.O_WRONLY), 40)
    ledger = Ledger(read(Catalogue()))
    kinds = ["kill"] * options.kills + ["full"] * options.full + ["torn"] * options.torn
    kinds += ["clock"] * options.clock + ["damaged"] * options.damaged
    draw.shuffle(kinds)
    for number, kind in enumerate(kinds, start=1):
        if kind == "damaged":
            damage(ledger, draw)
        else:
            cycle(ledger, state, kind, draw)
        if number % 50 == 0:
            print(f"{number}/{len(kinds)}, {len(ledger.faults)} faults", file=sys.stderr, flush=True)
    result = {"seconds": round(time.monotonic() - began), **reckoning(ledger)}
    print(json.dumps({**result, **ledger.counts, "faults": ledger.faults[:20]}, indent=1))
    return int(bool(ledger.faults))


if __name__ == "__main__":
    sys.exit(main())
