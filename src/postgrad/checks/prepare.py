"""Runs all checks, makes the safe repairs, and keeps aside what it took out, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from postgrad.findings import Check, Checked, Context, Dropped, Finding, Repair
from postgrad.records import Record

_SEVERITIES = {"error": 0, "warning": 1, "info": 2}


def run(
    records: Sequence[Record], context: Context, checks: Mapping[str, Check], accept: Iterable[str] = ()
) -> Checked:
    """Runs the checks on the records as read and applies their safe repairs.

    The repairs of an accepted check are not made: who accepts repeats wants to keep them. Of several repairs of one record
    a drop goes before a replacement, and the first check's before the others'.

    Args:
        records: As read.
        context: The model's sizes, as far as known.
        checks: Name → check, in the order in which they run.
        accept: Names of checks whose findings are accepted.
    """
    findings = [finding for _, found in running(records, context, checks) for finding in found]
    return conclude(records, findings, accept)


def running(
    records: Sequence[Record], context: Context, checks: Mapping[str, Check]
) -> Iterator[tuple[str, list[Finding]]]:
    """Runs one check after the other and yields (its name, its findings) as each is done, so that a door can show progress."""
    for name, check in checks.items():
        yield name, list(check(records, context))


def conclude(records: Sequence[Record], found: Iterable[Finding], accept: Iterable[str] = ()) -> Checked:
    """Makes the safe repairs that the findings propose; see `run`."""
    accepted, findings = set(accept), list(found)
    repairs = _chosen([f for f in findings if f.check not in accepted])
    reasons = _reasons(repairs)
    kept: list[Record] = []
    dropped: list[Dropped] = []
    for index, record in enumerate(records):
        finding, repair = repairs.get(index, (None, None))
        if finding is None or repair is None:
            kept.append(record)
        elif repair.action == "drop":
            dropped.append(Dropped(record, finding.check, reasons[index]))
        elif repair.record is not None:
            kept.append(repair.record)
    findings.sort(key=lambda f: (_SEVERITIES[f.severity], -f.count))
    return Checked(len(records), tuple(kept), tuple(dropped), tuple(findings), tuple(records))


def _chosen(findings: Sequence[Finding]) -> dict[int, tuple[Finding, Repair]]:
    chosen: dict[int, tuple[Finding, Repair]] = {}
    for finding in findings:
        for repair in finding.repairs:
            present = chosen.get(repair.index)
            better = present is None or (present[1].action == "replace" and repair.action == "drop")
            if repair.safe and better:
                chosen[repair.index] = (finding, repair)
    return chosen


def _reasons(repairs: Mapping[int, tuple[Finding, Repair]]) -> dict[int, str]:
    """Index → the evidence of this record, or else the finding's sentence."""
    reasons = {index: finding.sentence for index, (finding, _) in repairs.items()}
    for finding in {id(finding): finding for finding, _ in repairs.values()}.values():
        for index, evidence in zip(finding.indices, finding.evidence, strict=False):
            if evidence and index in repairs and repairs[index][0] is finding:
                reasons[index] = f"{finding.check}: {evidence}"
    return reasons
