"""Personal data: what a model has learned it may repeat to anyone.

Evidence and sentences show the kind and a masked form, never the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.support.personal_kinds import KINDS
from postgrad.checks.support.redaction import ValueKind, report
from postgrad.checks.support.secret_kinds import SECRET_KINDS
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record


@check_factory(
    harm=68,
    advice=(
        "Redact it (--repair personal_data keeps a consistent placeholder): a model can repeat what it was trained on."
    ),
)
def personal_data(*, kinds: Sequence[ValueKind] = KINDS) -> Check:
    """Finds e-mail and IP addresses, phone, card, bank account and national identity numbers, addresses and the like.

    The repair replaces each value by a placeholder that is the same wherever the value recurs (`[EMAIL_1]`), and
    secrets with it. It is never made unasked, because a task may be about just these values.

    Args:
        kinds: What to look for, in order: a value is counted as the first kind that it fits.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        yield from report("personal_data", records, kinds, (*SECRET_KINDS, *kinds), "personal data")

    return check
