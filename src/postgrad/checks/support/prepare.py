"""Runs all checks, makes the safe repairs, and keeps aside what it took out or mended, with the reason."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from postgrad.findings import Changed, Check, Checked, Context, Dropped, Finding, Repair
from postgrad.records import Record

_SEVERITIES = {"error": 0, "warning": 1, "info": 2}


def checking(
    records: Sequence[Record], context: Context, checks: Mapping[str, Check]
) -> Iterator[tuple[str, list[Finding], float]]:
    """Runs one check after the other: yields its name, what it found, and the seconds it took."""
    for name, check in checks.items():
        started = time.monotonic()
        found = list(check(records, context))
        yield name, found, time.monotonic() - started


def repaired(
    records: Sequence[Record],
    findings: Sequence[Finding],
    *,
    accept: Iterable[str] = (),
    also: Iterable[str] = (),
    harm: Mapping[str, int] | None = None,
    ran: Iterable[str] = (),
) -> Checked:
    """Makes the safe repairs, and those of the checks named in `also`.

    The repairs of an accepted check are not made: who accepts repeats wants to keep them. Of several repairs of one
    record a drop goes before a replacement, and the first check's before the others'; the others are found again in
    what is left.

    Args:
        records: As read.
        findings: What the checks found in them.
        accept: Names of checks whose findings are accepted.
        also: Names of checks whose repairs are made although they are not safe unasked.
        harm: How much a faulty record of each check harms: within a severity the finding stands first whose records,
            times the share likely at fault, times this are most. Those not named stand last, and what has been mended
            stands behind what has not.
        ran: Names of the checks that ran.
    """
    accepted = set(accept)
    repairs = _chosen([f for f in findings if f.check not in accepted], set(also))
    reasons = {id(f): dict(zip(f.indices, f.evidence, strict=False)) for f, _ in repairs.values()}
    kept: list[Record] = []
    dropped: list[Dropped] = []
    changed: list[Changed] = []
    for index, record in enumerate(records):
        finding, repair = repairs.get(index, (None, None))
        if finding is None or repair is None:
            kept.append(record)
        elif repair.action == "drop":
            evidence = reasons[id(finding)].get(index)
            dropped.append(
                Dropped(record, finding.check, f"{finding.check}: {evidence}" if evidence else finding.sentence)
            )
        elif repair.record is not None:
            kept.append(repair.record)
            changed.append(Changed(record, repair.record, finding.check))
    harms, mended = harm or {}, {*(d.check for d in dropped), *(c.check for c in changed)}

    def gravity(finding: Finding) -> tuple[int, bool, float]:
        weight = harms.get(finding.check, -1) * finding.likely * (finding.count or len(records))
        return _SEVERITIES[finding.severity], finding.check in mended, -weight

    ranked = sorted(findings, key=gravity)
    return Checked(len(records), tuple(kept), tuple(dropped), tuple(ranked), tuple(records), tuple(changed), tuple(ran))


def _chosen(findings: Sequence[Finding], also: set[str]) -> dict[int, tuple[Finding, Repair]]:
    chosen: dict[int, tuple[Finding, Repair]] = {}
    for finding in findings:
        for repair in finding.repairs:
            present = chosen.get(repair.index)
            better = present is None or (present[1].action == "replace" and repair.action == "drop")
            if (repair.safe or finding.check in also) and better:
                chosen[repair.index] = (finding, repair)
    return chosen
