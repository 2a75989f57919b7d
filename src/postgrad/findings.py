"""What a check says, and the set of records as the checks leave it.

A check never drops anything itself: it proposes a repair, and `prepare` (in `checks/`) carries the safe ones out,
counts them and keeps aside what it took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, ParamSpec

from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.records import Record

Severity = Literal["info", "warning", "error"]
Action = Literal["drop", "replace"]
LEVELS: dict[Severity, str] = {"error": "must fix", "warning": "worth a look", "info": "note"}
"""How grave a finding is, for a person."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change that mends one record: `drop` it, or `replace` it by `record`. Only `safe` ones are made unasked."""

    index: int
    action: Action
    record: Record | None = None
    safe: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of the set.

    Attributes:
        check: Machine name of the check, for `--accept` and the page of the same name.
        severity: `error` stops a run unless accepted.
        sentence: One sentence for a person, with the count.
        indices: The records concerned, worst first.
        evidence: A short reason beside each of `indices` (same length) or empty.
        repairs: What would mend it.
        details: JSON-safe figures behind the sentence.
        likely: Share of the records concerned that are likely at fault, by the check's own estimate; 1 without one.
        above: Of a check with a threshold of similarity: the same finding at a higher one, made from the pairs that are
            known; None where nothing is left. See `Checked.rethreshold`.
    """

    check: str
    severity: Severity
    sentence: str
    indices: tuple[int, ...] = ()
    evidence: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    details: JsonObject = field(default_factory=dict)
    likely: float = 1.0
    above: Callable[[float], Finding | None] | None = field(default=None, repr=False, compare=False)

    @property
    def count(self) -> int:
        return len(self.indices)

    def evidence_at(self, place: int) -> str:
        """What speaks for the record at a place of `indices`; empty where nothing more is said."""
        return self.evidence[place] if place < len(self.evidence) else ""


@dataclass(frozen=True, slots=True)
class Term:
    """A word that the house uses, and those that it does not want in its place."""

    term: str
    instead_of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may use besides the records. What is None or empty was not given, and the check goes without.

    Attributes:
        count_tokens: Counts tokens as the chosen model does, without importing torch.
        context_length: The chosen model's context, in tokens.
        production: Records of requests seen in production, to compare with.
        benchmarks: Gives (name of a general benchmark, text of one of its questions), for leakage.
        glossary: The house's own words.
        surprise: Mean loss of the base model on each record's answer, in nats per token; NaN where there is none.
    """

    count_tokens: Callable[[str], int] | None = None
    context_length: int | None = None
    production: Sequence[Record] = ()
    glossary: Sequence[Term] = ()
    benchmarks: Callable[[], Iterable[tuple[str, str]]] | None = None
    surprise: Callable[[Sequence[Record]], Sequence[float]] | None = None


Check = Callable[[Sequence[Record], Context], Iterable[Finding]]
CheckOptions = ParamSpec("CheckOptions")


@dataclass(frozen=True, slots=True)
class CheckFactory(Generic[CheckOptions]):
    """A check with all that the rest of the house wants to know of it. Called with options it makes the check.

    Attributes:
        make: The function behind it.
        harm: From 0 to 100, of one faulty record: findings stand in the order of records, times the share that is
            likely at fault, times this.
        advice: What to do about its findings, in one sentence for the summary and the page; the docs say more.
    """

    make: Callable[CheckOptions, Check]
    harm: int
    advice: str

    def __call__(self, *args: CheckOptions.args, **options: CheckOptions.kwargs) -> Check:
        return self.make(*args, **options)


def check_factory(*, harm: int, advice: str) -> Callable[[Callable[CheckOptions, Check]], CheckFactory[CheckOptions]]:
    """Decorates a function that makes a check; see `CheckFactory`."""
    return lambda make: CheckFactory(make, harm, advice)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that a repair took out: the machine name of the check, and the sentence."""

    record: Record
    check: str
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A record that a repair mended: as read, as it is now, and the machine name of the check."""

    before: Record
    after: Record
    check: str


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found: its findings, and the records concerned with the evidence beside each, worst first."""

    check: str
    findings: tuple[Finding, ...]
    records: tuple[Record, ...]
    evidence: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[tuple[Record, str]]:
        return iter(zip(self.records, self.evidence, strict=True))

    def __repr__(self) -> str:
        if not self.findings:
            return f"{self.check}: nothing found."
        shown = [f"  {record.source}  {why}".rstrip() for record, why in list(self)[:_SHOWN]]
        more = [f"  and {len(self) - _SHOWN:,} more"] if len(self) > _SHOWN else []
        return "\n".join([*(f"{self.check} ({f.severity}): {f.sentence}" for f in self.findings), *shown, *more])


_SHOWN = 5


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """The result of running checks: what was kept, what was taken out or mended and why, and all findings."""

    read: int
    kept: tuple[Record, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    records: tuple[Record, ...] = ()
    """The records as read, so that a finding's indices can be looked up."""
    changed: tuple[Changed, ...] = ()
    ran: tuple[str, ...] = field(default=(), compare=False)
    """The checks that ran, by name."""

    def __repr__(self) -> str:
        gone = f"{len(self.dropped):,} removed, {len(self.changed):,} repaired"
        told = [f"  {f.severity:<7}  {f.check}: {f.sentence}" for f in self.findings]
        return "\n".join([f"{self.read:,} records read, {len(self.kept):,} kept ({gone}).", *told])

    def of(self, check: str) -> Found:
        """What one check found; empty where it found nothing.

        Raises:
            UsageError: no such check ran.
        """
        findings = tuple(f for f in self.findings if f.check == check)
        known = tuple(dict.fromkeys([*self.ran, *(f.check for f in self.findings)]))
        if check not in known:
            raise UsageError(f"No check {check!r} ran.", f"These ran: {', '.join(known) or 'none'}.")
        evidence = {i: e for f in findings for i, e in zip(f.indices, f.evidence or [""] * f.count, strict=True)}
        return Found(check, findings, tuple(self.records[i] for i in evidence), tuple(evidence.values()))

    def rethreshold(self, **thresholds: float) -> Checked:
        """The same result with higher thresholds of similarity, by check: `rethreshold(near_duplicates=0.9)`.

        Nothing is searched again: the pairs that were found are asked anew.

        Raises:
            UsageError: a check ran without such a threshold, or looked for nothing as low as this.
        """
        left: list[Finding] = []
        for finding in self.findings:
            if (threshold := thresholds.get(finding.check)) is None:
                left.append(finding)
                continue
            if finding.above is None:
                raise UsageError(f"The check {finding.check!r} has no threshold of similarity.")
            if (again := finding.above(threshold)) is not None:
                left.append(again)
        for check in thresholds:
            self.of(check)  # refuses what did not run
        return replace(self, findings=tuple(left))

    def errors(self, accepted: Iterable[str] = ()) -> list[Finding]:
        """The findings that stop a run."""
        allowed = set(accepted)
        return [f for f in self.findings if f.severity == "error" and f.check not in allowed]

    def worst(self, count: int = 3) -> list[tuple[Finding, Record, str]]:
        """The records to look at first: the worst of each check, no record twice.

        Gravest findings first; among equals those that nobody has mended yet.
        """
        order = {"error": 0, "warning": 1, "info": 2}  # within a severity the findings stand gravest first already
        mended = {d.check for d in self.dropped} | {c.check for c in self.changed}

        def rank(finding: Finding) -> tuple[int, bool]:
            return order[finding.severity], finding.check in mended

        out: dict[int, tuple[Finding, Record, str]] = {}
        checks: set[str] = set()
        for finding in sorted((f for f in self.findings if f.indices), key=rank):
            place = next((n for n, index in enumerate(finding.indices) if index not in out), None)
            if place is None or finding.check in checks:
                continue
            checks.add(finding.check)
            index = finding.indices[place]
            out[index] = (finding, self.records[index], finding.evidence_at(place))
        return list(out.values())[:count]
