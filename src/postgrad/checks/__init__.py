"""Checks: what is wrong with the data, before anything is spent on it.

One check a file: a factory with options that returns a function from records to findings, decorated with its advice and
how much it harms. `CHECKS` is the list; a new check is a new file and a new line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from postgrad.checks.balance import balance
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
from postgrad.checks.quality import quality
from postgrad.checks.secrets import secrets
from postgrad.checks.semantic_duplicates import semantic_duplicates
from postgrad.checks.skew import skew
from postgrad.checks.structure import structure
from postgrad.checks.support.prepare import checking as _checking
from postgrad.checks.support.prepare import repaired as _repaired
from postgrad.checks.too_little import too_little
from postgrad.checks.toxicity import toxicity
from postgrad.errors import UsageError
from postgrad.findings import Checked, CheckFactory, Context, Finding
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
    "label_noise": label_noise,
    "faithfulness": faithfulness,
    "balance": balance,
    "skew": skew,
    "quality": quality,
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
    return repaired(records, [f for _, found, _ in checking(records, context) for f in found], accept=accepted)


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuses names that are no check's.

    Raises:
        UsageError: with the checks that there are.
    """
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        raise UsageError(f"There is no check {unknown[0]!r}.", f"The checks are: {', '.join(CHECKS)}.")


def checking(records: Sequence[Record], context: Context | None = None) -> Iterator[tuple[str, list[Finding], float]]:
    """Runs all checks one by one: (name, findings, seconds) of each; for a door that shows how far it is."""
    return _checking(records, context or Context(), {name: make() for name, make in CHECKS.items()})


def repaired(
    records: Sequence[Record], findings: Sequence[Finding], *, accept: Iterable[str] = (), also: Iterable[str] = ()
) -> Checked:
    """Makes the safe repairs, and those of the checks named in `also`; see `support.prepare.repaired`."""
    return _repaired(records, findings, accept=accept, also=also, harm={name: c.harm for name, c in CHECKS.items()})


__all__ = ["CHECKS", "checking", "refuse_unknown", "repaired", "run_checks"]
