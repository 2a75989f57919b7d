"""SQL by what it gives: the answer's and the reference's query are run on the same small database and their rows
compared.

Where the schema comes without rows, rows are made for it by rule, three times over (after Zhong et al., 2020: a
distinguishing test suite), because on empty tables nearly every query agrees with every other. Where even so the
reference finds nothing, the rows tell nothing, and the texts of the queries decide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.fields import field
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult, lacking
from postgrad.evaluation.metrics.support.sql_database import Database, QueryError, SqlRow
from postgrad.evaluation.metrics.support.sql_text import asks_for_order, extract_sql, is_sql, same_query, script_in
from postgrad.records import Record

SCHEMA_FIELDS = (
    "schema",
    "sql_schema",
    "schema_sql",
    "sql_context",
    "context",
    "ddl",
    "create_statements",
    "db_schema",
)
_FILLINGS = 3


def sql_execution(*, schema: str = "", field: str = "", seconds: float = 5.0) -> Metric:
    """1 where the query gives the rows that the reference gives; their order counts if the reference has an ORDER BY.

    Queries are read by SQLite, and can only read. Names of columns do not count, their order does.

    Args:
        schema: File with CREATE (and INSERT) statements, the same for all records.
        field: Field of the record with such statements. Without either one of `SCHEMA_FIELDS`, or what the request
            shows.
        seconds: For one query.

    Raises:
        UsageError: The file cannot be read, or SQLite refuses it.
    """
    common = _script(schema) if schema else ""

    def measure(cases: Sequence[Case]) -> MetricResult:
        verdicts = [_judge(case, common or schema_of(case.record, field), seconds) for case in cases]
        faults = Counter(v for v in verdicts if v)
        details = {"faults": dict(faults.most_common(8))} if faults else {}
        return MetricResult(tuple(float(not v) for v in verdicts), details=details)

    def unfit(cases: Sequence[Case]) -> str:
        if not common:
            where = (
                f" in the field {field!r}"
                if field
                else f" (looked at: the request, and the fields {', '.join(SCHEMA_FIELDS)})"
            )
            without = lacking(cases, f"records have a schema{where}", lambda c: bool(schema_of(c.record, field)))
            if without:
                return without
        bad = [f for c in cases[:200] if (f := _reference_fault(c, common or schema_of(c.record, field), seconds))]
        if len(bad) <= 0.05 * len(cases[:200]):
            return ""
        worst, _ = Counter(bad).most_common(1)[0]
        return f"SQLite cannot run {len(bad)} of the first {len(cases[:200])} reference queries, most often: {worst}"

    return Metric("sql_execution", measure, title="queries that give the right rows", right_or_wrong=True, unfit=unfit)


def schema_of(record: Record | None, name: str = "") -> str:
    """The script of CREATE statements that a record brings, in a field or in its request; empty where it has none."""
    value = field(record, name or SCHEMA_FIELDS)
    text = "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
    if "create table" in " ".join(text.lower().split()):
        return text
    return "" if name or record is None else script_in(record.prompt_text)


def _script(path: str) -> str:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The schema {path!r} cannot be read as text: {error}.") from error
    try:
        Database.build(text).close()
    except QueryError as error:
        raise UsageError(f"{path!r}: {error}.", "Write it for SQLite.") from error
    return text


def _databases(script: str, queries: str) -> Iterator[Database]:
    """The database with its own rows, or three with rows made for these queries."""
    for seed in range(_FILLINGS):
        database = Database.build(script)
        try:
            database.made = database.empty()
            if database.made:
                database.fill(queries, seed)
            database.lock()
            yield database
        finally:
            database.close()
        if not database.made:
            return


def _judge(case: Case, script: str, seconds: float) -> str:
    """What is wrong with an answer; empty where it is right."""
    answer, reference = extract_sql(case.answer), extract_sql(case.reference)
    if not script:
        return "no schema"
    if not answer:
        return "no query"
    ordered, told = asks_for_order(reference), False
    try:
        for database in _databases(script, f"{reference}\n{answer}"):
            try:
                wanted = database.ask(reference, seconds)
            except QueryError:
                return "the reference cannot be run"
            given = database.ask(answer, seconds)
            if not same_rows(given, wanted, ordered):
                return "other rows"
            told = told or bool(wanted) or not database.made
    except QueryError as error:
        return _kind(str(error)) if is_sql(answer) else "no SQL"
    if told or same_query(answer, reference):
        return ""
    return "no made row fits the reference"


def _reference_fault(case: Case, script: str, seconds: float) -> str:
    try:
        for database in _databases(script, extract_sql(case.reference)):
            database.ask(extract_sql(case.reference), seconds)
            return ""
    except QueryError as error:
        return str(error)
    return ""


def _kind(message: str) -> str:
    """The database's message without the names in it, so that like faults are counted together."""
    return message.split(":")[0].split(" near ")[0][:60] or "refused"


def same_rows(left: Sequence[SqlRow], right: Sequence[SqlRow], ordered: bool) -> bool:
    """Whether two results are the same, as lists or as bags; 1 is 1.0, and floats are compared to nine digits."""
    if len(left) != len(right):
        return False
    first, second = [_plain(row) for row in left], [_plain(row) for row in right]
    return first == second if ordered else Counter(first) == Counter(second)


def _plain(row: SqlRow) -> tuple[Any, ...]:
    return tuple(_cell(value) for value in row)


def _cell(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.9g}")
    return value
