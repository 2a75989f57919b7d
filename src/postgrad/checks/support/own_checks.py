"""Checks and thresholds of the user's: what others wrote runs like the house's own, and a fault is told by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.errors import DataError, UsageError
from postgrad.findings import Check, Context, Finding
from postgrad.records import Record


def checked_findings(name: str, check: Check) -> Check:
    """The check, with every finding looked at.

    Raises (when it runs):
        DataError: it failed, returned something else than findings, or pointed at a record that is not there.
    """

    def run(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        try:
            found = list(check(records, context))
        except Exception as error:
            raise DataError(
                f"The check {name!r} failed: {type(error).__name__}: {error}", "Fix it, or leave it out."
            ) from error
        for finding in found:
            if fault := _fault(name, finding, len(records)):
                raise DataError(f"The check {name!r} {fault}.", "Fix it, or leave it out.")
            yield finding

    return run


def _fault(name: str, finding: object, size: int) -> str:
    """What is wrong with a finding, as the end of a sentence; empty where nothing is."""
    if not isinstance(finding, Finding):
        return f"returned {finding!r} instead of a Finding"
    if finding.check != name:
        return f"returned a finding under another name, {finding.check!r}: --accept and reports use the name"
    outside = [i for i in (*finding.indices, *(r.index for r in finding.repairs)) if not 0 <= i < size]
    if outside:
        return f"points at record {outside[0]}, but there are {size}"
    if finding.evidence and len(finding.evidence) != len(finding.indices):
        return f"gave {len(finding.evidence)} pieces of evidence for {len(finding.indices)} records"
    return ""


def refuse_lower(check: str, wanted: float, searched: float) -> None:
    """Refuses a threshold below the one that was searched at.

    Raises:
        UsageError: with how to search anew.
    """
    if wanted < searched:
        raise UsageError(
            f"{check} searched from {searched:g} on only, so what a threshold of {wanted:g} would find is not known.",
            f"Search again: pg.check(data, checks={{{check!r}: {check}(threshold={wanted:g})}})",
        )
