"""What JSON is called in signatures: one name for a value, one for an object that is read, one for one that is made.
And what a text needs before it can be sent.

A value of an object is looked up by its key and used as what the format says it is (`config["num_layers"]`); that a
file or request really says so is checked where it enters, by a schema or by code, not by a type. So the values of the
two objects are `Any`, here and nowhere else: a recursive type would only move the assurance into a cast at each key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""Any JSON value, of which one must ask what it is before using it."""
JsonObject: TypeAlias = dict[str, Any]
"""A JSON object, made here or changed here."""
JsonMapping: TypeAlias = Mapping[str, Any]
"""A JSON object that is only read."""


def well_formed(text: str) -> str:
    """The text with `?` for every half of a pair of surrogates, which UTF-8 has no form for."""
    return text.encode("utf-8", "replace").decode("utf-8")
