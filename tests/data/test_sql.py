"""Databases: read only, in their own words, and with every password hidden."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from postgrad.data import read_rows, read_sql, stream_rows, stream_sql
from postgrad.data.sources.address import place_of
from postgrad.data.sources.database import masked
from postgrad.errors import DataError


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "tickets.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table tickets (q text, a text, price numeric, role text, raw blob)")
        rows = [(f"is it {i}: yes?", "yes", 1.5, "user", b"\xff") for i in range(25)]
        connection.executemany("insert into tickets values (?, ?, ?, ?, ?)", rows)
    return path


def test_rows_of_a_query(base):
    rows = read_sql(f"sqlite:///{base}", "SELECT q, a, price, role, raw FROM tickets -- all; of them")
    assert rows.format == "sql" and len(rows) == 25
    assert rows.rows[1] == (2, {"q": "is it 1: yes?", "a": "yes", "price": 1.5, "role": "user", "raw": None})
    assert rows.notes == ("column 'raw' holds bytes that are no text in 25 rows; they were left out",)
    assert len(read_rows(f"sqlite:///{base}#SELECT q FROM tickets WHERE q = 'is it 3: yes?'")) == 1
    chunks = list(stream_sql(f"sqlite:///{base}", "SELECT q FROM tickets", chunk=10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5] and chunks[2].rows[0][0] == 21
    assert sum(map(len, stream_rows(f"sqlite:///{base}#SELECT q FROM tickets", chunk=10))) == 25


def test_an_address_that_passed_through_a_path_is_understood(base, monkeypatch):
    monkeypatch.chdir(base.parent)
    for address in ("sqlite:///tickets.db", f"sqlite:///{base}"):
        assert len(read_rows(Path(f"{address}#SELECT q FROM tickets"))) == 25
    place = place_of(Path("postgres://me@host:5432/base#SELECT a / b FROM t"))
    assert (place.name, place.part) == ("postgres://me@host:5432/base", "SELECT a / b FROM t")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM tickets",
        "WITH gone AS (DELETE FROM tickets RETURNING *) SELECT * FROM gone",
        "SELECT 1; DROP TABLE tickets",
        "/* SELECT */ UPDATE tickets SET a = 'x'",
        "PRAGMA writable_schema = 1",
        "ATTACH 'x.db' AS x",
        "SELECT * INTO copied FROM tickets",
    ],
)
def test_only_reading_is_allowed(base, query):
    before = base.read_bytes()
    with pytest.raises(DataError, match="Give one SELECT"):
        read_sql(f"sqlite:///{base}", query)
    assert base.read_bytes() == before


def test_the_database_itself_is_opened_for_reading(base):
    """Even if a writing query slipped through."""
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    from postgrad.data.sources.database import _connected

    with (
        _connected(make_url(f"sqlite:///{base}"), "x") as connection,
        pytest.raises(OperationalError, match="readonly"),
    ):
        connection.execute(text("DELETE FROM tickets"))


def test_faults_are_the_databases_own_words(base, tmp_path):
    for query, words in (
        ("SELECT nothing_there FROM tickets", "no such column: nothing_there"),
        ("SELECT q AS x, a AS x FROM tickets", "'x' appears 2 times"),
        ("SELECT q FROM tickets WHERE 0", "gives no rows"),
    ):
        with pytest.raises(DataError, match=words):
            read_sql(f"sqlite:///{base}", query)
    with pytest.raises(DataError, match="does not exist"):
        read_sql(f"sqlite:///{tmp_path / 'none.db'}", "SELECT 1")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(DataError, match="without a query"):
        read_rows(f"sqlite:///{base}")
    with pytest.raises(DataError, match="SQLite database"):
        read_rows(base)


@pytest.mark.parametrize(
    "address",
    [
        "postgres://me:s3cr%40t@localhost:1/x#SELECT 1",
        "postgres://me:s3cr@t:x@localhost:port/x#SELECT 1",
        "mysql://me:s3cr@localhost:1/x?token=s3cr#SELECT 1",
        "postgres://me:s3cr@localhost:1/x#DELETE FROM x",
        "postgres://me:s3cr@localhost:1/x",
    ],
)
def test_no_message_shows_the_password(address):
    with pytest.raises(DataError) as caught:
        read_rows(address)
    assert "s3cr" not in str(caught.value)


def test_masking_keeps_the_rest():
    assert masked(make_url("postgresql://me:s@host/base?token=t&sslmode=require")) == (
        "postgresql://me:***@host/base?sslmode=require&token=***"
    )
