"""The data part of the benchmark: how many known faults the checks find, and what they cost as the data grows.

Usage: python bench/data.py [--truth] [--scale] [--peers] [--million]   (all but the million without options)
Real sets are read from $POSTGRAD_SHARED/data (or ../shared/data); without them only the scale is measured.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.data_pii import measure_pii
from bench.data_truth_sets import MEASURES, SHARED

from postgrad.checks.cut_off import cut_off
from postgrad.data import load
from postgrad.findings import Context


def truth() -> Iterator[dict[str, Any]]:
    """One row for each kind of fault whose truth is known."""
    for name, measure in MEASURES.items():
        yield {"set": name, **measure()}
    for row in measure_pii(SHARED / "pii_synthetic"):
        yield {"set": f"{row['file']}: {row['kind']}", "true": row["gold"], **row}
    yield walls()


def walls() -> dict[str, Any]:
    """Answers that an export cut at one length: how many of those that end open the check names."""
    records = load([SHARED / "dolly_fragment" / "dolly_6400_truncated.jsonl"]).records
    found = {i for f in cut_off()(records, Context()) for i in f.indices}
    return {"set": "dolly_fragment, cut answers (their number is not known)", "true": None, "found": len(found)}


def line(row: dict[str, Any]) -> str:
    """A row of the Markdown table; – where a figure has no meaning."""
    shares = (f"{row[key]:.2f}" if row.get(key) is not None else "–" for key in ("precision", "recall"))
    true = "–" if row["true"] is None else f"{row['true']:,}"
    return f"| {row['set']} | {true} | {row['found']:,} | {' | '.join(shares)} |"


def main() -> None:
    asked = set(sys.argv[1:])
    if unknown := asked - {"--truth", "--scale", "--peers", "--million"}:
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}.\n{__doc__}")
    if not asked or "--truth" in asked:
        if SHARED.exists():
            print("| set and fault | true | found | precision | recall |\n|---|---|---|---|---|", flush=True)
            for row in truth():
                print(line(row), flush=True)
        else:
            print(f"No data sets at {SHARED}: the truth table is left out.")
    passed = [option for option in ("--peers", "--million") if option in asked]
    if not asked or asked & {"--scale", "--peers", "--million"}:
        subprocess.run(
            [sys.executable, "-m", "bench.data_scale", *(passed or ["--peers"])],
            check=True,
            cwd=Path(__file__).parents[1],
        )


if __name__ == "__main__":
    main()
