"""Pages as OpenAI's lists have them: `after` an id, at most `limit`, and whether there is more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar

from fastapi import Query
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Mapped, Session

from postgrad.json_types import JsonObject
from postgrad.serving.wire.api_errors import ApiError

PageLimit = Annotated[int, Query(ge=1, le=100)]
"""A route's parameter: how many of a list a page holds."""


class Listed(Protocol):
    """A row of which pages are made."""

    id: Mapped[str]


R = TypeVar("R", bound=Listed)


def page(
    session: Session,
    query: Select[R],
    table: type[R],
    after: str | None,
    limit: int,
    newest_first: bool = True,
    by: Sequence[str] = ("number",),
) -> tuple[list[R], bool]:
    """One page of a query's rows, and whether there is a next one.

    Args:
        query: Selects rows of `table`, and those alone that the client may see.
        after: Id of the last row of the page before.
        by: Columns that give the order, together different for every row.

    Raises:
        ApiError: the query has no row `after`.
    """
    columns = [getattr(table, name) for name in by]
    if after is not None:
        last = session.scalars(query.where(table.id == after)).first()
        if last is None:
            raise ApiError(400, f"There is no {after!r} in this list to continue after.", "invalid_value", "after")
        place, there = tuple_(*columns), tuple(getattr(last, name) for name in by)
        query = query.where(place < there if newest_first else place > there)
    order = [column.desc() if newest_first else column for column in columns]
    rows = session.scalars(query.order_by(*order).limit(limit + 1)).all()
    return list(rows[:limit]), len(rows) > limit


def listed(data: Sequence[JsonObject], more: bool) -> JsonObject:
    """The list object, with the ids of its ends."""
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }
