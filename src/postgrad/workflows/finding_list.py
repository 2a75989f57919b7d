"""Every finding with every record that it concerns, as a table for a spreadsheet; the page names the first few."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from postgrad.checks import advice_on
from postgrad.checks.support.personal_kinds import KINDS as PERSONAL
from postgrad.checks.support.redaction import Places, redact
from postgrad.checks.support.secret_kinds import SECRET_KINDS
from postgrad.findings import LEVELS, Checked
from postgrad.storage import write_atomic

HIDDEN = (*SECRET_KINDS, *PERSONAL)
"""What is masked in everything that is shown."""
COLUMNS = ("level", "check", "file", "line", "row", "finding", "request", "answer", "what to do")
_LETTERS = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins so, a spreadsheet would compute."""


def write_list(checked: Checked, path: Path, mode: int = 0o644) -> Path:
    """Writes the table (CSV with a mark by which spreadsheets know UTF-8), the worst findings first; personal data and
    secrets are masked."""
    out, places = io.StringIO(newline=""), Places()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for finding in checked.findings:
        advice = advice_on(finding.check)
        level = LEVELS[finding.severity]
        if not finding.indices:
            table.writerow([level, finding.check, "", "", "", _cell(finding.sentence), "", "", advice])
        for place, index in enumerate(finding.indices):
            record = checked.records[index]
            table.writerow(
                [
                    level,
                    finding.check,
                    _cell(record.source.file),
                    record.source.line or "",
                    record.source.row or record.source.line or "",
                    _cell(redact(finding.evidence_at(place) or finding.sentence, places, HIDDEN)),
                    _cell(redact(record.prompt_text, places, HIDDEN)),
                    _cell(redact(record.answer_text, places, HIDDEN)),
                    advice,
                ]
            )
    return write_atomic(path, "\ufeff" + out.getvalue().encode("utf-8", "replace").decode("utf-8"), mode)


def _cell(text: str) -> str:
    """A text that a spreadsheet shows and does not compute."""
    text = text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"
    return f"'{text}" if text.startswith(_FORMULA) else text
