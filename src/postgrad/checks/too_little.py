"""Whether there is enough to learn from, and to measure by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.structure import fault_of
from postgrad.checks.wording import count_of, verb
from postgrad.findings import Check, Context, Finding
from postgrad.records import Record

USUAL = "50 to 100 examples are usual to begin with; a few hundred let the result be judged well"


def too_little(*, warn_below: int = 50, refuse_below: int = 10) -> Check:
    """Counts usable records.

    Args:
        warn_below: Fewer are enough to try, hardly enough to prove anything.
        refuse_below: Fewer cannot be divided into training and test.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        usable = sum(not fault_of(record) for record in records)
        if usable >= warn_below:
            return
        there = f"There {verb(usable, 'is', 'are')} only {count_of(usable, 'usable record')}"
        refused = usable < refuse_below
        sentence = f"{there}, and at least {refuse_below} are needed; {USUAL}." if refused else f"{there}; {USUAL}."
        yield Finding("too_little", "error" if refused else "warning", sentence, details={"usable": usable})

    return check
