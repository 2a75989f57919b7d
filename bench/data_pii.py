"""How much of the personal data in texts with known spans the rules find, and how much of what they find is some.

python bench/data_pii.py FOLDER     a folder with generated_large.json and synth_dataset_v2.json (presidio-research)
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from postgrad.checks.support.personal_kinds import KINDS
from postgrad.checks.support.redaction import find_spans

GOLD = {
    "EMAIL_ADDRESS": "EMAIL",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "PHONE_NUMBER": "PHONE",
    "US_SSN": "SSN",
    "IP_ADDRESS": "IP",
    "US_DRIVER_LICENSE": "LICENCE",
    "STREET_ADDRESS": "ADDRESS",
    "ADDRESS": "ADDRESS",
    "PERSON": "NAME",
}
FILES = ("generated_large.json", "synth_dataset_v2.json")


def measure_pii(folder: Path, show: int = 0) -> list[dict[str, Any]]:
    """Recall and precision by kind: a span counts as found where one of the same kind overlaps it.

    Args:
        folder: Holds the two files.
        show: So many misses and false alarms of each kind are printed to stderr.
    """
    rows: list[dict[str, Any]] = []
    for name in FILES:
        gold, found, hit, right = Counter(), Counter(), Counter(), Counter()
        shown: Counter[str] = Counter()
        for text in json.loads((Path(folder) / name).read_text("utf-8")):
            body = text["full_text"]
            true = [
                (GOLD[s["entity_type"]], s["start_position"], s["end_position"])
                for s in text["spans"]
                if s["entity_type"] in GOLD
            ]
            mine = [(s.kind.name, s.start, s.end) for s in find_spans(body, KINDS)]
            for kind, start, end in true:
                gold[kind] += 1
                ok = any(k == kind and a < end and start < b for k, a, b in mine)
                hit[kind] += ok
                _show(shown, f"{kind} missed", body, start, end, 0 if ok else show)
            for kind, start, end in mine:
                found[kind] += 1
                ok = any(k == kind and a < end and start < b for k, a, b in true)
                right[kind] += ok
                _show(shown, f"{kind} false", body, start, end, 0 if ok else show)
        for kind in sorted(set(gold) | set(found)):
            rows.append(
                {
                    "file": name,
                    "kind": kind,
                    "gold": gold[kind],
                    "found": found[kind],
                    "recall": hit[kind] / gold[kind] if gold[kind] else None,
                    "precision": right[kind] / found[kind] if found[kind] else None,
                }
            )
    return rows


def _show(shown: Counter[str], what: str, text: str, start: int, end: int, most: int) -> None:
    shown[what] += 1
    if shown[what] <= most:
        print(f"{what}: {text[max(0, start - 40) : start]!r} [{text[start:end]}]", file=sys.stderr)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/pii_synthetic")
    print("| file | kind | in the text | found | recall | precision |\n|---|---|---|---|---|---|")
    for row in measure_pii(folder):
        recall, precision = (f"{v:.3f}" if v is not None else "" for v in (row["recall"], row["precision"]))
        print(f"| {row['file']} | {row['kind']} | {row['gold']} | {row['found']} | {recall} | {precision} |")


if __name__ == "__main__":
    main()
