"""The guard of databases: a hostile query is refused by name, and a query that only reads passes, in each dialect."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.data.sources.sql_guard import refuse_writing
from postgrad.errors import DataError

HOSTILE = [
    ("", "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone"),
    ("postgresql", "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone"),
    ("postgresql", "WITH a AS (INSERT INTO t VALUES (1) RETURNING *), b AS (SELECT 1) SELECT * FROM a"),
    ("postgresql", "WITH a AS (UPDATE t SET a=1 RETURNING *) SELECT * FROM a"),
    ("postgresql", "SELECT * INTO copied FROM t"),
    ("mssql", "SELECT * INTO #x FROM t"),
    ("", "SELECT 1; DROP TABLE t"),
    ("sqlite", "SELECT 1;;SELECT 2"),
    ("", "SELECT 1 /* ; */ ; DELETE FROM t"),
    ("", "/* SELECT */ UPDATE t SET a=1"),
    ("sqlite", "PRAGMA query_only = OFF"),
    ("sqlite", "pragma table_info(t)"),
    ("sqlite", "ATTACH DATABASE 'x' AS y"),
    ("sqlite", "DETACH y"),
    ("sqlite", "VACUUM INTO 'x'"),
    ("sqlite", "SELECT load_extension('x')"),
    ("sqlite", "select writefile('a', 'b')"),
    ("postgresql", "SELECT pg_read_file('/etc/passwd')"),
    ("postgresql", "SELECT pg_catalog.pg_read_file('/etc/passwd')"),
    ("postgresql", "SELECT \"pg_read_file\"('x')"),
    ("postgresql", "SELECT PG_READ_FILE('x')"),
    ("postgresql", "COPY t TO '/tmp/x'"),
    ("postgresql", "COPY (SELECT 1) TO PROGRAM 'sh'"),
    ("postgresql", "SELECT * FROM pg_ls_dir('/') AS f"),
    ("postgresql", "SELECT * FROM dblink('x','delete from t') AS r(a int)"),
    ("postgresql", "SELECT setval('s', 1)"),
    ("postgresql", "SELECT nextval('s')"),
    ("postgresql", "select lo_import('/etc/passwd')"),
    ("postgresql", "EXPLAIN ANALYZE DELETE FROM t"),
    ("", "explain analyze delete from t"),
    ("mysql", "EXPLAIN ANALYZE DELETE FROM t"),
    ("postgresql", "SELECT * FROM t FOR UPDATE"),
    ("postgresql", "DO $$ begin delete from t; end $$"),
    ("postgresql", "CALL f()"),
    ("mysql", "SELECT a FROM t INTO OUTFILE '/tmp/x'"),
    ("mysql", "SELECT a INTO OUTFILE '/tmp/x' FROM t"),
    ("mysql", "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */"),
    ("mysql", "SELECT load_file('/etc/passwd')"),
    ("mysql", "SELECT @a := 1"),
    ("mysql", "SELECT 1 --1\n; DROP TABLE t"),
    ("mysql", "SELECT a FROM t INTO @x"),
    ("mssql", "EXEC xp_cmdshell 'dir'"),
    ("mssql", "SELECT * FROM OPENROWSET('a','b','c')"),
    ("oracle", "SELECT utl_http.request('http://x') FROM dual"),
    ("oracle", "SELECT dbms_xmlgen.getxml('x') FROM dual"),
    ("", "MERGE INTO t USING s ON t.a=s.a WHEN MATCHED THEN DELETE"),
    ("", "REPLACE INTO t VALUES (1)"),
    ("", "TRUNCATE TABLE t"),
    ("", "GRANT ALL ON t TO u"),
    ("", "CREATE TABLE x AS SELECT 1"),
    ("", "DROP TABLE t"),
    ("", "ALTER TABLE t ADD a int"),
    ("", "SET x = 1"),
    ("", "BEGIN"),
    ("", "-- nothing"),
    ("", ";"),
    ("", "SELEC a FROM t"),
    ("", "SELECT a FROM (SELECT b"),
    ("", "select a colour you like please now"),
    ("duckdb", "SELECT * FROM read_csv('/etc/passwd')"),
    ("clickhouse", "SELECT * FROM url('http://x')"),
    ("", "SELECT 1 UNION DELETE FROM t"),
    ("postgresql", "SELECT (DELETE FROM t RETURNING a)"),
    ("sqlite", "REINDEX"),
    ("sqlite", "ANALYZE"),
    ("sqlite", "SELECT * FROM t; --\nDROP TABLE t"),
    ("postgresql", "LISTEN x"),
    ("postgresql", "PREPARE x AS DELETE FROM t"),
    ("mysql", "SELECT sleep(5)"),
    ("postgresql", "SELECT 'a\\'; DELETE FROM t; --'"),
]
HARMLESS = [
    ("", "SELECT 'delete; from' FROM t"),
    ("", "select updated_at, created from t;"),
    ("", '(SELECT "drop" FROM t)'),
    ("sqlite", "SELECT q, a FROM tickets -- all; of them"),
    ("mysql", "SELECT `update`, `from` FROM `delete`"),
    ("mssql", "SELECT TOP 5 [insert], [a b] FROM [dbo].[drop]"),
    ("sqlite", "select [insert] from `t` where \"x\" = 'y'"),
    ("postgresql", "WITH a AS (SELECT 1 AS x) SELECT x::text FROM a"),
    ("postgresql", "SELECT DISTINCT ON (a) a, b->>'c' FROM t WHERE d ILIKE '%x%' ORDER BY a LIMIT 5 OFFSET 2"),
    ("postgresql", "SELECT a FROM t UNION ALL SELECT b FROM s"),
    ("postgresql", "VALUES (1, 'a'), (2, 'b')"),
    ("postgresql", "TABLE tickets"),
    ("sqlite", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5) SELECT i FROM n"),
    ("mysql", "SELECT REPLACE(a, 'x', 'y'), CONCAT(a, b) FROM t WHERE c REGEXP '^x' LIMIT 2, 5"),
    ("oracle", "SELECT a FROM t WHERE ROWNUM < 5"),
    ("oracle", "SELECT NVL(a, 'x') FROM t FETCH FIRST 5 ROWS ONLY"),
    ("mssql", "SELECT a FROM t WITH (NOLOCK) ORDER BY a OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY"),
    ("snowflake", "SELECT a:b::string FROM t QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1"),
    ("bigquery", "SELECT a FROM `p.d.t`"),
    ("", "SELECT a FROM t JOIN s ON t.id = s.id WHERE EXISTS (SELECT 1 FROM u)"),
    ("sqlite", "SELECT json_extract(a, '$.b') FROM t WHERE a GLOB 'x*'"),
    ("postgresql", "SELECT a, count(*) FILTER (WHERE b) OVER w FROM t WINDOW w AS (PARTITION BY c)"),
    ("postgresql", "SELECT E'it\\'s', $$a;b$$ FROM t"),
    ("", "SELECT 'it''s; delete' AS copy FROM t"),
    ("madeup", "SELECT a FROM t"),
    ("postgresql", "SELECT t.insert, t.call FROM t"),
    ("sqlite", "SELECT count(*), max(a) FROM main.t GROUP BY b HAVING count(*) > 1"),
    ("mysql", "SELECT 5 - -3 FROM t -- fine"),
    ("postgresql", "SELECT jsonb_path_query(a, '$.x') FROM t, LATERAL unnest(b) AS u"),
    ("sqlite", "SELECT 1 WHERE 1 == 1"),
    ("postgresql", "select a from t where b similar to 'x' and c ~* 'y'"),
    ("postgresql", "SELECT * FROM generate_series(1, 3) AS g(i)"),
    ("sqlite", "SELECT rowid, * FROM t NOT INDEXED"),
    ("", "SELECT a FROM copy WHERE call = 1"),
]
NAMED = {
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone": "DELETE",
    "SELECT * INTO copied FROM t": "INTO",
    "SELECT 1; DROP TABLE t": "more than one statement",
    "PRAGMA query_only = OFF": "PRAGMA",
    "SELECT pg_read_file('x')": "the function pg_read_file",
    "SELECT utl_http.request('x') FROM t": "the function utl_http",
    "COPY t TO 'x'": "COPY",
    "EXPLAIN ANALYZE DELETE FROM t": "EXPLAIN",
    "SELECT 1 /*! INTO OUTFILE 'x' */": "MySQL runs",
    "SELEC a FROM t": "cannot be parsed",
    "REINDEX": "no SELECT",
    "": "without a query",
}


@pytest.mark.parametrize(("database", "query"), HOSTILE)
def test_what_does_more_than_read_is_refused(database: str, query: str) -> None:
    with pytest.raises(DataError, match="Give one SELECT"):
        refuse_writing(query, "base", database)


@pytest.mark.parametrize(("database", "query"), HARMLESS)
def test_what_only_reads_passes(database: str, query: str) -> None:
    refuse_writing(query, "base", database)


@pytest.mark.parametrize(("query", "name"), NAMED.items())
def test_the_refusal_says_what_it_refuses(query: str, name: str) -> None:
    with pytest.raises(DataError, match=name):
        refuse_writing(query, "base", "")


def test_a_statement_of_one_dialect_is_named_too() -> None:
    with pytest.raises(DataError, match="ATTACH"):
        refuse_writing("ATTACH DATABASE 'x' AS y", "base", "sqlite")


def test_a_query_without_an_end_of_brackets_is_refused_and_not_a_crash() -> None:
    with pytest.raises(DataError, match="cannot be parsed"):
        refuse_writing("(" * 3000 + "SELECT 1" + ")" * 3000, "base")


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([q for _, q in HARMLESS]), st.sampled_from(["DROP TABLE t", "DELETE FROM t", "UPDATE t SET a = 1"])
)
def test_nothing_hides_behind_a_harmless_query(query: str, writing: str) -> None:
    """Joined by a semicolon, or as a common table expression, however harmless the rest is."""
    for hostile in (f"{query.rstrip(';')}\n;{writing}", f"WITH x AS ({writing} RETURNING *) SELECT * FROM x"):
        with pytest.raises(DataError):
            refuse_writing(hostile, "base", "postgresql")
