"""What the checks cost at ten thousand, a hundred thousand and a million records; near-duplicates beside two peers.

    python -m bench.data_scale [--million] [--peers]

Records are real ones (shared data, else the shipped example), each varied so that no two are alike, with one lightly
edited repeat in a hundred. Every size runs in a process of its own, so that its peak of resident memory is its own.
datasketch and semhash come with `pip install postgrad[dev]`; where one is missing it is left out and said.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.data_truth_sets import SHARED, lightly_edited
from bench.figures import peak_resident

from postgrad.checks import CHECKS
from postgrad.checks.support.prepare import checking, repaired
from postgrad.data import load
from postgrad.findings import Context
from postgrad.records import Record, Source, pair
from postgrad.similarity.near_duplicates import find_similar

SIZES = (10_000, 100_000)
MILLION = 1_000_000
_REAL = ("dolly_fragment/dolly_6400_truncated.jsonl", "nl2bash/nl2bash.jsonl", "banking77/train.csv")


def originals() -> list[Record]:
    """Real records to vary."""
    files = [SHARED / name for name in _REAL if (SHARED / name).exists()]
    if not files:
        files = [Path(__file__).parents[1] / "examples" / "tickets" / "tickets.jsonl"]
    records = [r for file in files for r in load([file]).records]
    return [r for r in records if len(r.prompt_text.split()) >= 4 and len(r.prompt_text) < 1000 and r.answer_text]


def build(count: int, seed: int = 0) -> tuple[list[Record], list[tuple[int, int]]]:
    """`count` varied records, and the pairs (original, lightly edited repeat) planted among them: one in a hundred."""
    real, rng = originals(), random.Random(seed)
    words = sorted({w for r in real for w in r.prompt_text.split() if w.isalpha()})
    records: list[Record] = []
    planted: list[tuple[int, int]] = []
    for number in range(count):
        if number % 100 == 99:
            first = rng.randrange(number)
            text, answer = lightly_edited(records[first].prompt_text, rng), records[first].answer_text
            planted.append((first, number))
        else:
            base = rng.choice(real)
            text, answer = _varied(base.prompt_text, words, rng), _varied(base.answer_text[:400], words, rng)
        records.append(pair(text, answer, source=Source("built", number + 1)))
    return records, planted


def _varied(text: str, words: list[str], rng: random.Random) -> str:
    """A third of the words exchanged for others of the set, so that two variants are alike in matter and not in
    letters."""
    return " ".join(rng.choice(words) if rng.random() < 0.35 else w for w in text.split())


def peak_mb() -> float:
    """The highest resident memory of this process so far, in MB."""
    return peak_resident() / 1e6


def measure_checks(count: int) -> Iterator[dict[str, Any]]:
    """Time and peak memory of each torch-free check, in the order in which they run, and of all."""
    records, _ = build(count)
    yield {"records": count, "check": "(the records alone)", "peak_mb": round(peak_mb())}
    start = last = time.perf_counter()
    work = time.process_time()
    findings = []
    for name, found, _ in checking(records, Context(), {name: make() for name, make in CHECKS.items()}):
        now = time.perf_counter()
        yield {"records": count, "check": name, "seconds": round(now - last, 2), "peak_mb": round(peak_mb())}
        findings += found
        last = now
    repaired(records, findings)
    seconds = time.perf_counter() - start
    cpu = time.process_time() - work  # on a shared machine the steadier figure; all cores together
    each = round(1e6 * seconds / count)
    yield {
        "records": count,
        "check": "(all)",
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "microseconds_each": each,
        "peak_mb": round(peak_mb()),
    }


def measure_peer(peer: str, count: int) -> dict[str, Any]:
    """Time, peak memory and planted pairs found by one near-duplicate search. Peers get their usual settings."""
    records, planted = build(count)
    texts = [r.prompt_text for r in records]
    base = peak_mb()
    start = time.perf_counter()
    pairs = {"postgrad": _postgrad, "datasketch": _datasketch, "semhash": _semhash}[peer](texts)
    seconds = time.perf_counter() - start
    hits = sum(p in pairs or p[::-1] in pairs for p in planted)
    return {
        "peer": peer,
        "records": count,
        "seconds": round(seconds, 2),
        "pairs": len(pairs),
        "planted": len(planted),
        "planted_found": hits,
        "extra_mb": round(peak_mb() - base),
    }


def _postgrad(texts: list[str]) -> set[tuple[int, int]]:
    return {(a, b) for a, b, _ in find_similar(texts).pairs}


def _datasketch(texts: list[str]) -> set[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH  # pyright: ignore[reportMissingImports] - development only

    index, pairs = MinHashLSH(threshold=0.7, num_perm=128), set()
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([text.lower()[i : i + 5].encode() for i in range(max(1, len(text) - 4))])
        pairs |= {(int(other), number) for other in index.query(sketch)}
        index.insert(str(number), sketch)
    return pairs


def _semhash(texts: list[str]) -> set[tuple[int, int]]:
    """semhash with the same offline embeddings as ours, because its own are fetched from the hub."""
    from semhash import SemHash  # pyright: ignore[reportMissingImports] - development only

    from postgrad.models.embeddings import embed

    class Encoder:
        def encode(self, inputs: Any, **_: Any) -> Any:
            return embed([str(text) for text in inputs])

    places: dict[str, int] = {}
    for number, text in enumerate(texts):
        places.setdefault(text, number)
    found = SemHash.from_records(records=texts, model=Encoder()).self_deduplicate(threshold=0.9)
    return {
        (places[str(other)], places[str(row.record)]) for row in found.filtered for other, _ in row.duplicates
    }  # exact repeats are one text and count as found nowhere: planted ones are edited


def main() -> None:
    """Prints one JSON line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="also a million records")
    parser.add_argument("--peers", action="store_true", help="only near-duplicates beside datasketch and semhash")
    parser.add_argument("--size", type=int, help="only this size, in this process")
    parser.add_argument("--peer", help="only this peer, in this process")
    given = parser.parse_args()
    if given.peer:
        print(json.dumps(measure_peer(given.peer, given.size or SIZES[0])), flush=True)
    elif given.size:
        for line in measure_checks(given.size):
            print(json.dumps(line), flush=True)
    else:
        _in_processes(given.million, given.peers)


def _in_processes(million: bool, peers_only: bool) -> None:
    """Each measurement in a fresh process."""
    runs = [["--size", str(size)] for size in (*SIZES, *([MILLION] if million else []))] if not peers_only else []
    for peer in ("postgrad", "datasketch", "semhash"):
        if peer == "postgrad" or importlib.util.find_spec(peer):
            runs.append(["--peer", peer, "--size", str(SIZES[0])])
        else:
            print(f"{peer} is not installed and left out", file=sys.stderr)
    for arguments in runs:
        subprocess.run([sys.executable, "-m", "bench.data_scale", *arguments], check=True)


if __name__ == "__main__":
    main()
