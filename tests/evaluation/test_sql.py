"""Queries judged by their rows, and, without a database, by their text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.sql_execution import sql_execution
from postgrad.evaluation.metrics.sql_match import sql_match
from postgrad.evaluation.metrics.support.metric import Case, paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.evaluation.metrics.support.sql_database import Database, QueryError
from postgrad.evaluation.metrics.support.sql_text import asks_for_order, is_sql, script_in
from postgrad.records import pair
from tests.needs import real_set

SCHEMA = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, town INTEGER REFERENCES towns(id));
CREATE TABLE towns (id INTEGER PRIMARY KEY, name TEXT, size REAL);
"""
ROWS = """
INSERT INTO towns VALUES (1, 'Ulm', 120.5), (2, 'Bonn', 330.0);
INSERT INTO people VALUES (1, 'Ada', 36, 1), (2, 'Max', 20, 2), (3, 'Eva', 41, 2);
"""


def score(answer: str, reference: str, schema: str = SCHEMA + ROWS) -> float:
    return sql_execution(seconds=2)(answer, reference, pair("q", reference, meta={"schema": schema}))


@pytest.mark.parametrize("schema", [SCHEMA + ROWS, SCHEMA], ids=["own rows", "made rows"])
@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("SELECT name FROM people WHERE age > 30", "select p.name from people as p where 30 < p.age;", 1),
        ("```sql\nSELECT name FROM people WHERE age > 30;\n```", "SELECT name FROM people WHERE age > 30", 1),
        ("SELECT name FROM people WHERE age >= 30 AND age != 30", "SELECT name FROM people WHERE age > 30", 1),
        ("SELECT name FROM people WHERE age > 35", "SELECT name FROM people WHERE age < 35", 0),
        ("SELECT age FROM people", "SELECT name FROM people", 0),
        ("SELECT name FROM people ORDER BY age DESC", "SELECT name FROM people", 1),
        ("SELECT name FROM people ORDER BY id", "SELECT name FROM people ORDER BY id DESC", 0),
        ("SELECT COUNT(*) FROM people", "SELECT SUM(1.0) FROM people", 1),
        (
            "SELECT towns.name FROM people JOIN towns ON town = towns.id WHERE people.name = 'Eva'",
            "SELECT name FROM towns WHERE id IN (SELECT town FROM people WHERE name = 'Eva')",
            0,  # a town twice, if two of that name live there
        ),
        ("DROP TABLE people", "SELECT name FROM people", 0),
        ("I would select the names.", "SELECT name FROM people", 0),
        ("", "SELECT name FROM people", 0),
    ],
)
def test_queries_are_the_same_when_their_rows_are(answer: str, reference: str, right: float, schema: str) -> None:
    if "Eva" in answer and "INSERT" in schema:
        right = 1
    assert score(answer, reference, schema) == right


def test_made_rows_tell_queries_apart_that_empty_tables_do_not() -> None:
    for wrong in ("age > 31", "age >= 30", "age > 30 OR name = 'x'", "age = 30"):
        assert score(f"SELECT id FROM people WHERE {wrong}", "SELECT id FROM people WHERE age > 30", SCHEMA) == 0


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO people VALUES (9, 'x', 1, 1)",
        "UPDATE people SET age = 1",
        "PRAGMA query_only = OFF",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT readfile('/etc/passwd')",
        "CREATE TABLE x (a)",
        "SELECT zeroblob(2000000000)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT SUM(i) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "SELECT 1; SELECT 2",
        "SELECT '\ud800'",
    ],
)
def test_a_query_can_neither_write_nor_reach_out_nor_go_on_for_ever(query: str) -> None:
    database = Database.build(SCHEMA + ROWS)
    database.lock()
    with pytest.raises(QueryError):
        database.ask(query, 0.5)
    assert len(database.ask("SELECT * FROM people", 1)) == 3
    database.close()


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60) | st.text("SELECT*FROMpeoplWHR '\"();%=<>,1", max_size=40))
def test_any_text_is_a_query_that_is_right_or_wrong(text: str) -> None:
    assert score(text, "SELECT name FROM people") in (0, 1)


def test_what_went_wrong_is_counted_and_unfit_data_refused(tmp_path) -> None:
    path = tmp_path / "schema.sql"
    path.write_text(SCHEMA + ROWS)
    metric = metric_named(f"sql_execution(schema={path})")
    reference = "SELECT name FROM people"
    found = metric.measure(
        paired(["SELECT nme FROM people", "SELECT age FROM people", "no", reference], [reference] * 4)
    )
    assert found.scores == (0, 0, 0, 1)
    assert found.details["faults"] == {"no such column": 1, "other rows": 1, "no SQL": 1}
    assert "no such table" in metric.unfit([Case("", "SELECT * FROM pets")])
    assert "only 0 of 1 records have a schema" in sql_execution().unfit([Case("", reference)])
    path.write_text("CREATE TABEL x")
    with pytest.raises(UsageError, match="the schema is refused"):
        metric_named(f"sql_execution(schema={path})")


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("select  A from T where B <> 'x' ;", "SELECT a FROM \"t\" WHERE b != 'x' -- all", 1),
        ("SELECT a AS b FROM t", "SELECT a b FROM t", 1),
        ("SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'", 0),
        ("SELECT a FROM t WHERE x AND y", "SELECT a FROM t WHERE y AND x", 0),
        ("SELECT a FROM t WHERE a NOT IN (1)", "SELECT A FROM `t` WHERE NOT a IN (1)", 1),
        ("SELECT a FROM t ORDER BY a ASC", "SELECT [a] FROM t ORDER BY a", 1),
        ("SELECT a FROM t ORDER BY a DESC", "SELECT a FROM t ORDER BY a", 0),
        ("SELECT IFNULL(a, 1) FROM t", "SELECT coalesce(a, 1) FROM t", 1),
        ("SELECT a FROM t LIMIT 1", "SELECT a FROM t", 0),
        ("SELECT DISTINCT a FROM t", "SELECT a FROM t", 0),
        ("SELECT a FROM t LEFT JOIN s ON t.b = s.b", "SELECT a FROM t JOIN s ON t.b = s.b", 0),
        ("SELECT a FROM t UNION SELECT a FROM s", "SELECT a FROM t UNION ALL SELECT a FROM s", 0),
        ("SELECT a FROM t; SELECT b FROM t", "SELECT a FROM t", 0),
    ],
)
def test_sql_match_forgives_spelling_alone(answer: str, reference: str, right: float) -> None:
    assert sql_match()(answer, reference) == right


def test_order_and_kind_of_a_query() -> None:
    assert asks_for_order("SELECT a FROM t ORDER BY a LIMIT 1")
    assert not asks_for_order("SELECT a FROM (SELECT a FROM t ORDER BY a) WHERE b = 'order by'")
    assert is_sql("WITH x AS (SELECT 1) SELECT * FROM x") and is_sql("SELECT MAX(a) FROM t")
    assert not is_sql("Select a colour you like") and not is_sql("update me") and not is_sql("")


def test_real_queries_are_sql_and_match_themselves() -> None:
    import json

    rows = [
        json.loads(x)
        for x in (real_set("text2sql_permissive") / "wikisql_sample.jsonl").read_text("utf-8").splitlines()
    ]
    queries = [r["sql"] for r in rows[:2000]]
    assert sum(map(is_sql, queries)) >= 0.99 * len(queries)
    assert sum(sql_match().measure(paired(queries, queries)).scores) == len(queries)


def test_a_schema_in_the_request_is_found() -> None:
    prompt = (
        "Write SQL. Create table of contents (no).\nCREATE TABLE people (name TEXT DEFAULT 'a', age INT CHECK (age >"
        " 0)) INSERT INTO people VALUES ('Ada', 36) , ('Max', 20); and CREATE TABLE open (x INT"
    )
    assert (
        script_in(prompt) == "CREATE TABLE people (name TEXT DEFAULT 'a', age INT CHECK (age > 0));\n"
        "INSERT INTO people VALUES ('Ada', 36) , ('Max', 20);\n"
    )
    record = pair(prompt, "SELECT name FROM people WHERE age > 30")
    assert sql_execution()("SELECT name FROM people WHERE age > 21", record.answer_text, record) == 1
    assert sql_execution()("SELECT name FROM people WHERE age > 19", record.answer_text, record) == 0


@settings(deadline=None)
@given(st.text("CREATE TABLEinsrtovaluex(), ';\"", max_size=80))
def test_any_text_may_hold_a_schema(text: str) -> None:
    assert isinstance(script_in(text), str)
