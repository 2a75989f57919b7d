"""How often each test part was judged, and what was fixed before: the looks at it, in the catalogue's database.

The same recipe again is the same look. A recipe counts from when it is judged; one that was registered and never came
to a verdict is no look.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from postgrad.errors import StorageError
from postgrad.registry.catalogue import Catalogue
from postgrad.registry.look_tables import LookRow

ATTEMPTS = 20


@dataclass(frozen=True)
class Look:
    """One recipe on one test part.

    Attributes:
        number: Which look at the test part it is, or will be when it is judged; the first is 1.
        metric: By which is judged.
        smallest_worth: The smallest gain worth having, a share.
        rules: The version of the rules.
        registered: When this was fixed, in UTC; it is the first time where the recipe is repeated.
    """

    number: int
    metric: str
    smallest_worth: float
    rules: str
    registered: datetime.datetime


@dataclass(frozen=True)
class Looks:
    """A look, and those at the same test part before it, the first one first."""

    this: Look
    earlier: tuple[Look, ...] = ()


class LookBook:
    """The looks at all test parts.

    Args:
        catalogue: In whose database they are; the usual one when None.
    """

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue or Catalogue()

    def register(self, test: str, plan: str, *, metric: str, smallest_worth: float, rules: str) -> Looks:
        """Writes down what will be judged and how; what is written stays, whatever is registered again.

        Args:
            test: Hash of the test part.
            plan: Hash of what decides the judgement.
            metric: See `Look`.
            smallest_worth: See `Look`.
            rules: See `Look`.

        Raises:
            StorageError: the database cannot be read or written.
        """
        now = datetime.datetime.now(datetime.UTC)
        row = LookRow(
            test=test, plan=plan, metric=metric, smallest_worth=smallest_worth, rules=rules, registered=now, number=None
        )
        try:
            with self._catalogue.session() as session:
                if _own(session, test, plan) is None:
                    session.add(row)
        except IntegrityError:
            pass  # another process registered the same recipe in this moment
        with self._catalogue.session() as session:
            return _looks(session, test, plan)

    def judge(self, test: str, plan: str) -> Looks:
        """Counts the look: its verdict is about to be made. Judged again it keeps its number.

        Raises:
            StorageError: the database cannot be read or written.
            KeyError: it was not registered.
        """
        for _ in range(ATTEMPTS):
            try:
                with self._catalogue.session() as session:
                    row = _own(session, test, plan)
                    if row is None:
                        raise KeyError(f"{plan} was not registered on {test}")
                    row.number = row.number or 1 + len(_judged(session, test))
                    session.flush()
                    return _looks(session, test, plan)
            except IntegrityError:
                continue  # another process took the number between our reading and writing
        raise StorageError(
            f"A look could not be counted in {ATTEMPTS} attempts.", "Are other processes judging in a loop?"
        )


def _own(session: Session, test: str, plan: str) -> LookRow | None:
    return session.scalars(select(LookRow).where(LookRow.test == test, LookRow.plan == plan)).one_or_none()


def _judged(session: Session, test: str) -> Sequence[LookRow]:
    query = select(LookRow).where(LookRow.test == test, LookRow.number.is_not(None)).order_by(LookRow.number)
    return session.scalars(query).all()


def _looks(session: Session, test: str, plan: str) -> Looks:
    own, judged = _own(session, test, plan), _judged(session, test)
    if own is None:
        raise KeyError(f"{plan} was not registered on {test}")
    number = own.number or 1 + len(judged)
    earlier = [(row.number, row) for row in judged if row.number is not None and row.number < number]
    return Looks(_look(own, number), tuple(_look(row, n) for n, row in earlier))


def _look(row: LookRow, number: int) -> Look:
    """SQLite forgets the time zone, which is UTC."""
    at = row.registered if row.registered.tzinfo else row.registered.replace(tzinfo=datetime.UTC)
    return Look(number, row.metric, row.smallest_worth, row.rules, at)
