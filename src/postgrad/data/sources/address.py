"""What a user named: a file (with a part of it after `#`), standard input, a hub data set, or a database with a
query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_HUB = re.compile(r"^hf:/+(.*)$", re.DOTALL)
_DATABASE = re.compile(
    r"^((?:sqlite|postgres|postgresql|mysql|mariadb|mssql|oracle|duckdb|snowflake|bigquery|redshift|databricks|trino|clickhouse|cockroachdb)"
    r"(?:\+\w+)?):(/+)(.*)$",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Address:
    """A source, taken apart.

    Attributes:
        kind: `file`, `stdin`, `hub` or `database`.
        name: As the user gave it; may hold a password where it is a database.
        path: The file or folder; None elsewhere.
        part: The sheet, the file in an archive, or the query; empty where none was named.
    """

    kind: str
    name: str
    path: Path | None = None
    part: str = ""


def place_of(source: Path | str) -> Address:
    """Tells what a source is. A `Path` swallows double slashes; they are put back where an URL was meant."""
    text = str(source)
    if text == "-":
        return Address("stdin", "standard input")
    if hub := _HUB.match(text):
        return Address("hub", f"hf://{hub[1]}")
    if database := _DATABASE.match(text):
        scheme, slashes, rest = database.groups()
        address, _, query = rest.partition("#")
        if len(slashes) == 1:  # the address passed through a Path
            slashes = "///" if scheme.startswith("sqlite") else "//"
            if slashes == "///" and not Path(address).exists() and Path("/", address).exists():
                slashes = "////"
        return Address("database", f"{scheme}:{slashes}{address}", None, query.strip())
    path = Path(text)
    if "#" in text and not path.exists():
        front, _, part = text.rpartition("#")
        while "#" in front and not Path(front).exists():
            front, _, more = front.rpartition("#")
            part = f"{more}#{part}"
        if Path(front).exists():
            return Address("file", text, Path(front), part)
    return Address("file", text, path)
