"""Checks: what is wrong with the data, before anything is spent on it.

One check a file: a factory with options that returns a function from records to findings, decorated with its advice and
how much it harms. `CHECKS` is the list; a new check is a new file and a new line here. Others add theirs without
touching it: as an entry point of an installed package in the group `postgrad.checks`, or as an object in a Python call
(`pg.check(data, checks=[mine])`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from postgrad.checks.balance import balance
from postgrad.checks.bias import bias
from postgrad.checks.boilerplate import boilerplate
from postgrad.checks.contradictions import contradictions
from postgrad.checks.cut_off import cut_off
from postgrad.checks.diversity import diversity
from postgrad.checks.duplicates import duplicates
from postgrad.checks.encoding import encoding
from postgrad.checks.faithfulness import faithfulness
from postgrad.checks.injection import injection
from postgrad.checks.label_noise import label_noise
from postgrad.checks.language import language
from postgrad.checks.leakage import leakage
from postgrad.checks.length import length
from postgrad.checks.near_duplicates import near_duplicates
from postgrad.checks.outdated import outdated
from postgrad.checks.personal_data import personal_data
from postgrad.checks.preferences import preferences
from postgrad.checks.quality import quality
from postgrad.checks.secrets import secrets
from postgrad.checks.semantic_duplicates import semantic_duplicates
from postgrad.checks.skew import skew
from postgrad.checks.structure import structure
from postgrad.checks.support.own_checks import checked_findings
from postgrad.checks.support.prepare import checking as _checking
from postgrad.checks.support.prepare import repaired as _repaired
from postgrad.checks.terminology import terminology
from postgrad.checks.too_little import too_little
from postgrad.checks.toxicity import toxicity
from postgrad.checks.typos import typos
from postgrad.errors import UsageError
from postgrad.extensions import Extended, calling
from postgrad.findings import Check, Checked, CheckFactory, Context, Finding
from postgrad.records import Record

CHECKS: dict[str, CheckFactory[...]] = {
    "structure": structure,
    "too_little": too_little,
    "encoding": encoding,
    "cut_off": cut_off,
    "duplicates": duplicates,
    "near_duplicates": near_duplicates,
    "semantic_duplicates": semantic_duplicates,
    "leakage": leakage,
    "contradictions": contradictions,
    "preferences": preferences,
    "label_noise": label_noise,
    "bias": bias,
    "faithfulness": faithfulness,
    "balance": balance,
    "skew": skew,
    "quality": quality,
    "typos": typos,
    "terminology": terminology,
    "diversity": diversity,
    "length": length,
    "personal_data": personal_data,
    "secrets": secrets,
    "boilerplate": boilerplate,
    "toxicity": toxicity,
    "injection": injection,
    "outdated": outdated,
    "language": language,
}


def run_checks(records: Sequence[Record], context: Context | None = None, *, accept: Iterable[str] = ()) -> Checked:
    """Runs all checks with their default options and makes the safe repairs.

    Args:
        records: As read.
        context: The model's sizes and token counter, where a model is chosen.
        accept: Names of checks whose errors do not stop and whose repairs are not made.

    Raises:
        UsageError: An accepted name is no check's.
    """
    accepted = set(accept)
    refuse_unknown(accepted)
    found = [f for _, found, _ in checking(records, context) for f in found]
    return repaired(records, found, accept=accepted, ran=names_of_checks())


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuses names that are no check's.

    Raises:
        UsageError: with the checks that there are.
    """
    known = names_of_checks()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UsageError(f"There is no check {unknown[0]!r}.", f"The checks are: {', '.join(known)}.")


def checking(records: Sequence[Record], context: Context | None = None) -> Iterator[tuple[str, list[Finding], float]]:
    """Runs all checks one by one: (name, findings, seconds) of each; for a door that shows how far it is."""
    return _checking(records, context or Context(), present())


def repaired(
    records: Sequence[Record],
    findings: Sequence[Finding],
    *,
    accept: Iterable[str] = (),
    also: Iterable[str] = (),
    ran: Iterable[str] = (),
) -> Checked:
    """Makes the safe repairs, and those of the checks named in `also`; see `support.prepare.repaired`."""
    harm = {name: check.harm for name, check in CHECKS.items()}
    return _repaired(records, findings, accept=accept, also=also, ran=ran, harm=harm)


def names_of_checks() -> tuple[str, ...]:
    """The checks that run: those of `CHECKS`, of installed packages, and of the present call."""
    return tuple(dict.fromkeys([*_table(), *calling.get().checks]))


def advice_on(check: str) -> str:
    """What to do about a check's findings; empty for a check of the user's."""
    return CHECKS[check].advice if check in CHECKS else ""


def present() -> dict[str, Check]:
    """The checks that run, made with their default options. One of the call's takes the place of the table's."""
    table, given = _table(), calling.get().checks
    made: dict[str, Check] = {}
    for name in names_of_checks():
        if name in given:
            made[name] = checked_findings(name, given[name])
        elif name in CHECKS:
            made[name] = CHECKS[name]()
        else:
            made[name] = checked_findings(name, _made(table, name))
    return made


def _table() -> Extended[Callable[[], Check]]:
    return Extended("postgrad.checks", CHECKS, "check")


def _made(table: Extended[Callable[[], Check]], name: str) -> Check:
    """The check of another package.

    Raises:
        UsageError: what it offers makes no check.
    """
    factory = table[name]
    try:
        check = factory()
    except Exception as error:
        raise UsageError(
            f"The check {name!r} of {table.origin(name)} cannot be made: {type(error).__name__}: {error}",
            "An entry point of postgrad.checks names a function without arguments that returns the check.",
        ) from error
    if not callable(check):
        raise UsageError(
            f"The check {name!r} of {table.origin(name)} gave {check!r}, which is no function.",
            "An entry point of postgrad.checks names a function without arguments that returns the check.",
        )
    return check


__all__ = ["CHECKS", "checking", "names_of_checks", "present", "refuse_unknown", "repaired", "run_checks"]
