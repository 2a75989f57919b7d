"""Keys, tokens and passwords: a model that learned one gives it away, and it is in the training data of every later
model.

A check of its own beside `personal_data`, because the two are answered differently: personal data may be what the task
is about, a live key never is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.support.personal_kinds import KINDS
from postgrad.checks.support.redaction import ValueKind, report
from postgrad.checks.support.secret_kinds import SECRET_KINDS
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record


@check_factory(
    harm=92,
    advice="Revoke these keys and redact them (--repair secrets): a model can repeat what it was trained on.",
)
def secrets(*, kinds: Sequence[ValueKind] = SECRET_KINDS) -> Check:
    """Finds keys and tokens of known services, private keys, passwords in connection strings, and random strings called
    secret.

    The repair replaces each value by a placeholder (`[SECRET_1]`), and personal data with it. It is never made unasked.

    Args:
        kinds: What to look for, in order.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        yield from report("secrets", records, kinds, (*kinds, *KINDS), "keys, tokens or passwords")

    return check
