"""The page that describes an HTTP interface, made from its OpenAPI document: no script, nothing from the network."""

from __future__ import annotations

import json

from postgrad.json_types import JsonMapping, JsonObject
from postgrad.pages.report_page import environment
from postgrad.version import __version__

_MOST_VALUES = 8


def render_docs(document: JsonMapping) -> str:
    """The page.

    Args:
        document: OpenAPI 3.1.
    """
    groups: dict[str, list[JsonObject]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = (operation.get("tags") or ["Server"])[0]
            groups.setdefault(name, []).append(_operation(document, path, method, operation))
    return environment().get_template("docs.html.j2").render(info=document["info"], groups=groups)


def render_start(address: str, closed: bool, guide: bool = False) -> str:
    """The page that a server shows at its root.

    Args:
        address: Of the server, as the browser asked for it.
        closed: A key is required.
        guide: The documents are there.
    """
    page = environment().get_template("start.html.j2")
    return page.render(address=address, closed=closed, guide=guide, version=__version__)


def _operation(document: JsonMapping, path: str, method: str, operation: JsonMapping) -> JsonObject:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answer = operation["responses"].get("200") or operation["responses"].get("201") or {}
    shown = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return {
        "id": operation.get("operationId") or f"{method}-{path}",
        "method": method.upper(),
        "path": path,
        "text": operation.get("description") or operation.get("summary", ""),
        "parameters": [
            {
                "name": p["name"],
                "where": p["in"],
                "kind": kind_of(p.get("schema", {})),
                "required": p.get("required", False),
                "text": p.get("description", ""),
            }
            for p in operation.get("parameters", [])
        ],
        "fields": fields_of(document, body),
        "answer": fields_of(document, shown),
    }


def fields_of(document: JsonMapping, schema: JsonMapping) -> list[JsonObject]:
    """The fields of an object: name, kind, whether it is required, and what is said of it."""
    meant = _followed(document, schema)
    required = set(meant.get("required", []))
    return [
        {"name": name, "kind": kind_of(part), "required": name in required, "text": part.get("description", "")}
        for name, part in meant.get("properties", {}).items()
    ]


def kind_of(schema: JsonMapping) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        values = [json.dumps(v) for v in schema["enum"]]
        return " | ".join(values[:_MOST_VALUES]) + (" | …" if len(values) > _MOST_VALUES else "")
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(kind_of(part) for part in schema[key] if part))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    return str(schema.get("type", "any")) + _bounds(schema)


def _bounds(schema: JsonMapping) -> str:
    names = (("minimum", "≥ "), ("exclusiveMinimum", "> "), ("maximum", "≤ "), ("exclusiveMaximum", "< "))
    found = [sign + format(schema[key], "g") for key, sign in names if key in schema]
    if "maxLength" in schema:
        found.append(f"at most {schema['maxLength']} characters")
    return f" ({', '.join(found)})" if found else ""


def _followed(document: JsonMapping, schema: JsonMapping) -> JsonMapping:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema
