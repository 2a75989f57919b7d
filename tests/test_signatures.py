"""Public signatures say what they take and give: no `Any` but where a reason stands here."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.parsing import parsed

SOURCE = Path(__file__).parent.parent / "src" / "postgrad"
REASONS = {
    "json_types.py:JsonObject": "the one owner of what a JSON object's values are; its header says why",
    "json_types.py:JsonMapping": "as JsonObject",
    "python/arguments.py:DataLike": "tables of libraries that need not be installed are known by what they can do",
    "data/formats/workbooks.py:Cells": "cells as the reader of workbooks types them: texts, numbers, dates, times",
    "objectives.py:ObjectiveSpec.make": "gives the Objective of training, which words may not import",
    "evaluation/battery/harness_model.py:HarnessRequest.args": "the harness's own type of them says no more",
    "storage.py:StageStore.get": "what a stage kept is known to that stage alone, which reads it back",
    "serving/wire/strict_json.py:WholeJson.render": "the framework's own signature",
    "models/rendering/bounded_template.py:BoundedEnvironment.call_binop": "Jinja's own signature: values of a template",
    "models/rendering/bounded_template.py:BoundedEnvironment.call": "Jinja's own signature",
    "models/rendering/bounded_template.py:BoundedEnvironment.is_safe_attribute": "Jinja's own signature",
    "models/rendering/bounded_template.py:BoundedEnvironment.wrap_str_format": "Jinja's own signature",
    "export/foreign.py:Module": "the one owner of what transformers and gguf make; its header says why",
    "export/foreign.py:Config": "as Module",
    "export/foreign.py:Writer": "as Module",
    "export/foreign.py:QuantizationType": "as Module",
    "export/foreign.py:Setting": "as Module",
    "data/sources/in_memory.py:sources": "an address stays a text where the readers declare a path",
}
"""`file:name` that may say `Any`, and why."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Value = ast.AnnAssign | ast.Assign


def public(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, _Function | _Value]]:
    """Public functions, methods, fields and names for types, with their dotted names; what stands inside a function or
    in a private class is not public."""
    for node in ast.iter_child_nodes(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        name = target.id if isinstance(target, ast.Name) else getattr(node, "name", "_")
        if name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from public(node, f"{inside}{name}.")
        elif isinstance(node, _Function | _Value):
            yield inside + name, node


def annotations(node: _Function | _Value) -> list[ast.expr | None]:
    """What a function or a value says of types; of an assignment without an annotation the value, if that is a type."""
    if isinstance(node, ast.Assign):
        return [node.value] if isinstance(node.value, ast.Subscript | ast.BinOp) else []
    if isinstance(node, ast.AnnAssign):
        return [node.value if ast.unparse(node.annotation) == "TypeAlias" else node.annotation]
    given = node.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [*(p.annotation for p in parameters if p is not None), node.returns]


def says_any(annotation: ast.expr | None) -> bool:
    """Whether `Any` stands anywhere in it."""
    nodes = ast.walk(annotation) if annotation is not None else ()
    return any("Any" in (getattr(node, "id", ""), getattr(node, "attr", "")) for node in nodes)


def untyped(source: str) -> list[str]:
    """What is public in a file and says `Any`."""
    return [name for name, node in public(parsed(source)) if any(map(says_any, annotations(node)))]


def test_public_signatures_say_what_they_take():
    found = set()
    for path in SOURCE.rglob("*.py"):
        if "migrations" not in path.parts:
            name = path.relative_to(SOURCE).as_posix()
            found |= {f"{name}:{one}" for one in untyped(path.read_text("utf-8"))}
    assert found - set(REASONS) == set(), "say what it is, or give the reason in REASONS"
    assert set(REASONS) - found == set(), "these are typed by now"


def test_any_is_found_wherever_it_stands():
    assert untyped("def f(a: dict[str, Any]): ...") == ["f"]
    assert untyped("async def f(*a: int, **b: typing.Any): ...") == ["f"]
    assert untyped("class A:\n    def f(self) -> list[Any] | None: ...\n    def _g(self) -> Any: ...") == ["A.f"]
    assert untyped("class A:\n    b: Any = 1\n    _c: Any\nB = dict[str, Any]\nC: TypeAlias = Any") == ["A.b", "B", "C"]
    assert untyped("def _f(a: Any): ...\nclass _A:\n    def f(self) -> Any: ...\ndef g(a: object) -> int: ...") == []
