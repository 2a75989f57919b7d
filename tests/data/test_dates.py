"""Dates in many spellings: read alike, or refused where day and month cannot be told apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.data.split.dates import read_dates
from postgrad.errors import DataError

DAY = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-03",
        "20261103",
        "2026/11/3",
        "2026.11.03",
        "2026-11-03T00:00:00Z",
        "2026-11-03 01:00+01:00",
        "3.11.2026",
        "03.11.26",
        "3 Nov 2026",
        "3rd November 2026",
        "Nov 3, 2026",
        "Tue, 03 Nov 2026 00:00:00 GMT",
        "Tuesday, November 3 2026",
        "3. November 2026",
        "1793664000",
        1793664000,
        1793664000.0,
        "1793664000000",
        1793664000000000,
        "03.11.2026 12:00 AM",
        "2026-11-03 00:00 UTC",
    ],
)
def test_spellings_of_one_day(text):
    dates = read_dates([text])
    assert dates.moments == (DAY,) and not dates.unreadable


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(["%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d", "%d %b %Y"]),
)
def test_what_is_written_is_read(moment, form):
    known = ["25.12.2020", "12/25/2020"]  # each order is decided by a date that allows no other
    found = read_dates([*known, moment.strftime(form)]).moments[-1]
    assert found == moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)


def test_day_and_month_are_decided_by_the_column():
    first = read_dates(["11/03/2026", "25/03/2026"])
    assert first.moments[0] == datetime(2026, 3, 11, tzinfo=UTC) and "'25/03/2026' allows nothing else" in first.note
    assert read_dates(["11/03/2026", "03/25/2026"]).moments[0] == DAY
    assert read_dates(["11/03/2026"], day_first=False).moments == (DAY,)
    assert read_dates(["11/03/2026"], day_first=True).moments[0] == datetime(2026, 3, 11, tzinfo=UTC)


def test_what_cannot_be_told_is_refused():
    with pytest.raises(DataError, match=r"(?s)'11/03/2026'.*day_first"):
        read_dates(["11/03/2026", "01/02/2026"])
    with pytest.raises(DataError, match="mixes two orders"):
        read_dates(["25/03/2026", "03/25/2026"])


def test_what_is_no_date_is_named():
    dates = read_dates(["", None, "n/a", "soon", "31.02.2026", "2026-11-03 noon", True])
    assert dates.moments == (None,) * 7 and dates.unreadable == (3, 4, 5, 6)


def test_a_time_of_day_counts():
    late, early = read_dates(["03.11.2026 2:05 PM", "03.11.2026 14:04:59"]).moments
    assert late - early == timedelta(seconds=1)
