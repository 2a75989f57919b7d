"""What can be said of a query from its text alone: is it SQL, what is its plain form, does it ask for an order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postgrad.evaluation.metrics.support.fences import fenced_blocks

if TYPE_CHECKING:
    from sqlglot.expressions.core import Expr

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<text>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\])
      | (?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)
      | (?P<word>\w+)
      | (?P<mark><>|!=|<=|>=|==|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_SAME = {"<>": "!=", "==": "="}
_COMPARING = ("=", "==", "!=", "<>", "<", ">", "<=", ">=", "like", "in", "between")
_BEGINS = re.compile(r"\A\s*\(*\s*(?:select|with|insert|update|delete|create|alter|drop)\b", re.IGNORECASE)
_SHAPE = re.compile(
    r"\bselect\b.+\bfrom\b|\bselect\s+(?:distinct\s+)?(?:[\d'\"*(-]|\w+\s*\()|\binsert\s+into\b|\bupdate\b.+\bset\b|\bdelete\s+from\b"
    r"|\b(?:create|alter|drop)\s+(?:table|view|index)\b",
    re.IGNORECASE | re.DOTALL,
)
_STATEMENT = re.compile(
    r"\bcreate\s+(?:temp\w*\s+)?table\s+(?:if\s+not\s+exists\s+)?[\w.\"`\[\]]+\s*\("
    r"|(?P<rows>\binsert\s+into\s+[\w.\"`\[\]]+\s*(?:\([^()]{1,2000}\)\s*)?values\s*\()",
    re.IGNORECASE,
)
_MORE_ROWS = re.compile(r"\s*,\s*\(")


def extract_sql(answer: str) -> str:
    """The first fenced block, or the whole text; without the ; at the end."""
    blocks = [body for language, body in fenced_blocks(answer) if not language or language.startswith("sql")]
    return (blocks[0] if blocks else answer).strip().rstrip(";").strip()


def is_sql(text: str) -> bool:
    """Whether a text looks like a statement of SQL ("select a colour" alone does not make one)."""
    return bool(_BEGINS.match(text) and _SHAPE.search(text) and len(text) <= 20_000)


def plain_sql(query: str) -> list[str]:
    """Tokens by which two spellings of one query are alike: case (but in texts), quotes, space and comments aside."""
    tokens = []
    for found in _TOKEN.finditer(query):
        kind, token = found.lastgroup, found.group()
        if kind == "space":
            continue
        if kind == "name":
            token = token[1:-1].lower()
        elif kind != "text":
            token = _SAME.get(token, token.lower())
        tokens.append(token)
    while tokens and tokens[-1] == ";":
        tokens.pop()
    return [t for i, t in enumerate(tokens) if not (t == "as" and i + 1 < len(tokens))]


def same_query(left: str, right: str) -> bool:
    """Whether two queries are the same but for spelling: by their tokens, or, where they can be parsed, as trees."""
    if plain_sql(left) == plain_sql(right):
        return True
    if not (is_sql(left) and is_sql(right)):
        return False
    trees = [_tree(query) for query in (left, right)]
    return None not in trees and trees[0] == trees[1]


def _tree(query: str) -> Expr | None:
    """The parsed query with names in small letters and without their quotes; None where it is not one statement."""
    import sqlglot  # only where tokens differ
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        statements = sqlglot.parse(query, dialect="sqlite")
        if len(statements) != 1 or statements[0] is None or isinstance(statements[0], exp.Command):
            return None
        for name in statements[0].find_all(exp.Identifier):
            name.replace(exp.Identifier(this=name.name.lower(), quoted=False))
    except (SqlglotError, RecursionError):
        return None
    return statements[0]


def asks_for_order(query: str) -> bool:
    """Whether the outermost query has an ORDER BY."""
    tokens, depth = plain_sql(query), 0
    for this, following in zip(tokens, [*tokens[1:], ""], strict=True):
        depth += (this == "(") - (this == ")")
        if depth == 0 and this == "order" and following == "by":
            return True
    return False


def compared(query: str) -> dict[str, list[str | float | int]]:
    """By column (without its table, in small letters): the values that a query compares it with, 20 at most.

    A pattern of LIKE stands without its wildcards; `<` and `>` bring the neighbours of their number.
    """
    found = [m for m in _TOKEN.finditer(query) if m.lastgroup != "space"]
    out: dict[str, list[str | float | int]] = {}
    for place, operator in enumerate(found[:-1]):
        word = operator.group().lower()
        if word not in _COMPARING or place == 0 or found[place - 1].lastgroup not in ("word", "name"):
            continue
        name = found[place - 1].group().strip('"`[]').lower()
        if name == "not" and place > 1:
            name = found[place - 2].group().strip('"`[]').lower()
        values = out.setdefault(name, [])
        for following in found[place + 1 : place + 12]:
            value = _literal(following)
            if value is not None:
                near = (value, value + 1, value - 1) if word in "<=>=" and not isinstance(value, str) else (value,)
                values.extend(near[: 20 - len(values)])
            elif following.group().lower() not in ("(", ",", "and", "-") or word not in ("in", "between"):
                break
            if word not in ("in", "between"):
                break
    return {name: values for name, values in out.items() if values}


def _literal(found: re.Match[str]) -> str | float | int | None:
    text = found.group()
    if found.lastgroup == "number":
        value = float(text)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if found.lastgroup == "text" or (found.lastgroup == "name" and text.startswith('"')):
        return text[1:-1].replace("''", "'").strip("%").replace("%", " ").replace("_", "a") or "x"
    return None


def script_in(text: str) -> str:
    """The CREATE TABLE and INSERT statements that a request shows among other text."""
    out = []
    for found in _STATEMENT.finditer(text):
        place: int | None = _closing(text, found.end())
        while place is not None and found["rows"] and (more := _MORE_ROWS.match(text, place)):
            place = _closing(text, more.end())
        if place is not None:
            out.append(text[found.start() : place])
    return "".join(f"{statement};\n" for statement in out)


def _closing(text: str, place: int) -> int | None:
    """The place after the bracket that closes the one before `place`."""
    depth = 1
    for i in range(place, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if not depth:
            return i + 1
    return None


def literals(query: str) -> tuple[list[float], list[str]]:
    """The first numbers and texts that a query names, 50 of each; names in double quotes count as texts too, as SQLite
    reads them."""
    numbers, texts = [], []
    for found in _TOKEN.finditer(query):
        if found.lastgroup == "number":
            numbers.append(float(found.group()))
        elif found.lastgroup == "text" or (found.lastgroup == "name" and found.group().startswith('"')):
            texts.append(found.group()[1:-1].replace("''", "'"))
    return numbers[:50], texts[:50]
