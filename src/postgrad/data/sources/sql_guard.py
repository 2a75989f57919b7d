"""One SELECT and nothing else, told from the query's tree: what writes, runs commands or reaches files is refused.

The connection is read-only besides (see `database`); this says so before one is made, in a sentence. What cannot be
parsed is refused too, because nobody can say what it does.
"""

from __future__ import annotations

import logging
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from postgrad.errors import DataError
from postgrad.facts import load_facts

if TYPE_CHECKING:
    from sqlglot.expressions.core import Expr

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql", "awsathena": "athena"}
"""Names of SQLAlchemy that sqlglot spells otherwise."""
_RUN_COMMENT = re.compile(r"/\*M?!")
_HIDDEN_MINUS = re.compile(r"--(?=[^\s-])")
_MEND = "Give one SELECT."


def refuse_writing(query: str, file: str, database: str = "") -> None:
    """Lets one SELECT through and nothing else.

    Args:
        query: As the user gave it.
        file: For messages.
        database: SQLAlchemy's name of the kind of database; "" for one that speaks plain SQL.

    Raises:
        DataError: No query, several, one that is no SELECT or does more than read, or one that cannot be parsed.
    """
    if not query.strip():
        raise DataError(
            f"{file} names a database without a query.", "Add it after a #: '…#SELECT question, answer FROM tickets'."
        )
    if _RUN_COMMENT.search(query) or (database in ("mysql", "mariadb") and _HIDDEN_MINUS.search(query)):
        raise DataError(f"{file}: the query holds a comment that MySQL runs as a command (/*! or --x).", _MEND)
    statements = _parse(query, file, database)
    if len(statements) != 1:
        many = "more than one statement" if statements else "no statement"
        raise DataError(f"{file}: this is {many}.", _MEND)
    if fault := _more_than_reading(statements[0]):
        raise DataError(f"{file}: the query is no plain SELECT ({fault}); only reading is allowed.", _MEND)


def _parse(query: str, file: str, database: str) -> list[Expr]:
    import sqlglot  # only where a database is read
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it does not know is refused below, in our words
    dialect = _DIALECTS.get(database, database)
    known = dialect if dialect in sqlglot.Dialect.classes or dialect in {d.value for d in sqlglot.Dialects} else None
    try:
        return [tree for tree in sqlglot.parse(query, dialect=known) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        reason = re.sub(r"\x1b\[\d*m", "", str(error) or "nested too deeply").splitlines()[0].rstrip(".")
        raise DataError(
            f"{file}: the query cannot be parsed, so it is not certain that it only reads ({reason[:200]}).",
            f"{_MEND} Use the syntax of {database or 'SQL'}.",
        ) from error


def _more_than_reading(tree: Expr) -> str:
    """What a query does besides reading, in a word or two; empty where it only reads."""
    from sqlglot import exp

    if not isinstance(tree, exp.Query | exp.Values):
        return _named(tree) if not isinstance(tree, exp.Condition | exp.Alias) else "no SELECT"
    writing = (
        exp.Insert,
        exp.Update,
        exp.Delete,
        exp.Merge,
        exp.Into,
        exp.Lock,
        exp.Command,
        exp.Create,
        exp.Drop,
        exp.Alter,
        exp.Copy,
        exp.PropertyEQ,
    )
    for node in tree.walk():
        if isinstance(node, writing):
            return _named(node)
        if name := next(filter(_forbidden, _functions(node)), ""):
            return f"the function {name}"
    return ""


def _named(node: Expr) -> str:
    """`DELETE`, `PRAGMA`, `EXPLAIN`: the word by which people know a statement."""
    from sqlglot import exp

    if isinstance(node, exp.Command):
        return str(node.this).upper()
    if isinstance(node, exp.PropertyEQ):
        return "an assignment, :="
    return {"Lock": "FOR UPDATE", "Describe": "EXPLAIN", "TruncateTable": "TRUNCATE"}.get(
        type(node).__name__, type(node).__name__.upper()
    )


def _functions(node: Expr) -> list[str]:
    """The name of the function that a node calls, and the package that it is in (`utl_http.request`)."""
    from sqlglot import exp

    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        return [part.name.lower() for part in node.this.walk() if isinstance(part, exp.Identifier)]
    if isinstance(node, exp.Func):
        return [(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()]
    return []


def _forbidden(name: str) -> bool:
    lists = (names for names in load_facts("sql_functions").values() if isinstance(names, list))
    return any(fnmatchcase(name, pattern) for names in lists for pattern in names)
