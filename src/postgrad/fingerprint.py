"""What code of the user's does, in eight hex digits: what was kept under other code is not taken for this one's.

The house's own code is known by its files (`storage.code_version`); a function of a notebook has none, and one of
another package may be edited where it lies.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType

_PLAIN = (str, bytes, int, float, bool, complex, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def fingerprint(given: object) -> str:
    """Of a function, a class, or an object that can be called: of its code, constants, defaults and enclosed values,
    and of the functions, classes and constants of the same package that it names.

    What it imports from elsewhere, and global values that are no constants (plain ones, and those in capitals), are not
    looked at.
    """
    return hashlib.sha256("\n".join(_parts(given, set())).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _parts(given: object, seen: set[int]) -> Iterator[str]:
    if isinstance(given, _PLAIN):
        yield repr(given)
        return
    if id(given) in seen:
        return
    seen.add(id(given))
    if isinstance(given, functools.partial):
        yield from _all((given.func, given.args, given.keywords), seen)
    elif isinstance(given, type):
        yield from _class(given, seen)
    elif isinstance(given, FunctionType):
        yield from _function(given, seen)
    elif isinstance(given, staticmethod | classmethod | property):
        yield from _all((getattr(given, name, None) for name in ("__func__", "fget", "fset")), seen)
    elif isinstance(given, tuple | list):
        yield type(given).__name__
        yield from _all(given, seen)
    elif isinstance(given, set | frozenset):
        yield from sorted(_ADDRESS.sub("", repr(one)) for one in given)
    elif isinstance(given, Mapping):
        yield from _all((part for pair in given.items() for part in pair), seen)
    elif dataclasses.is_dataclass(given):
        yield type(given).__qualname__
        yield from _all((getattr(given, one.name, None) for one in dataclasses.fields(given)), seen)
    elif hasattr(given, "__dict__") and callable(given):
        yield type(given).__qualname__
        yield from _all((vars(given), getattr(given, "__func__", None), type(given)), seen)
    else:
        yield _ADDRESS.sub("", repr(given))


def _all(many: Iterator[object] | tuple[object, ...] | list[object], seen: set[int]) -> Iterator[str]:
    for one in many:
        yield from _parts(one, seen)


def _class(given: type, seen: set[int]) -> Iterator[str]:
    """Its own members, and those of what it is derived from in the same package."""
    for kind in (given, *(base for base in given.__mro__[1:] if _package(base) == _package(given))):
        yield kind.__qualname__
        for name, value in vars(kind).items():
            if name == "__init__" or name == "__call__" or not name.startswith("__"):
                yield name
                yield from _parts(value, seen)


def _function(given: FunctionType, seen: set[int]) -> Iterator[str]:
    yield from _all((given.__defaults__, given.__kwdefaults__), seen)
    for cell in given.__closure__ or ():
        try:
            yield from _parts(cell.cell_contents, seen)
        except ValueError:  # a name that is not bound yet
            yield "unbound"
    yield from _code(given.__code__, given, seen)


def _code(code: CodeType, owner: FunctionType, seen: set[int]) -> Iterator[str]:
    yield code.co_code.hex() + repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant, owner, seen)
        else:
            yield from _parts(constant, seen)
    for name in code.co_names:
        if name in owner.__globals__ and _belongs(name, value := owner.__globals__[name], owner):
            yield name
            yield from _parts(value, seen)


def _belongs(name: str, value: object, owner: FunctionType) -> bool:
    """Whether a global value is part of what the function does."""
    if isinstance(value, type | FunctionType):
        return _package(value) == _package(owner)
    return isinstance(value, _PLAIN) or (name.isupper() and isinstance(value, tuple | list | set | frozenset | dict))


def _package(given: type | FunctionType) -> str:
    return str(given.__module__).partition(".")[0]
