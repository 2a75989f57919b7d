"""Jinja within limits: a chat template comes with a model, and whoever made the model wrote it.

The sandbox of Jinja keeps templates from Python's insides, not from loops within loops and texts that double. Here a
template may use the methods and filters that such templates need and no others; every turn of a loop, every call,
filter and test looks at the time that this rendering has computed; and what one step makes longer is measured before,
and all of it together too.
"""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS = 10.0
"""Of one thread's computing, for one conversation; usual ones take milliseconds."""
MOST_SOURCE = 1 << 20
MOST_MADE, MOST_IN_ALL = 1 << 24, 1 << 27
"""Characters of texts and items of lists that one step may make, and all steps together; more where the conversation
itself is long."""
MOST_WIDTH = 1 << 10
"""Of padding and the like."""
METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        [
            "capitalize",
            "casefold",
            "count",
            "endswith",
            "find",
            "format",
            "index",
            "isalnum",
            "isalpha",
            "isdigit",
            "islower",
            "isnumeric",
            "isspace",
            "isupper",
            "join",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
            "removesuffix",
            "replace",
            "rfind",
            "rindex",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "strip",
            "swapcase",
            "title",
            "upper",
        ]
    ),
    dict: frozenset(("copy", "get", "items", "keys", "values")),
    list: frozenset(("copy", "count", "index")),
    tuple: frozenset(("count", "index")),
    int: frozenset(),
    float: frozenset(),
    bytes: frozenset(),
}
"""What a template may ask of values; of all else (macros, loops, namespaces) what Jinja's sandbox allows."""
FILTERS = frozenset(
    [
        "abs",
        "attr",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "forceescape",
        "format",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "sort",
        "string",
        "striptags",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "wordcount",
    ]
)
_WIDE = re.compile(r"%[^%]*?\d{4,}(?:\.\d*)?[diouxXeEfFgGcrsa]|%[^%]*?\.\d{4,}[diouxXeEfFgGcrsa]|\{[^{}]*:[^{}]*\d{4,}")
"""A width of thousands in a text with places for values, in both of Python's ways to write them."""
_GIVEN = re.compile(r"%[^%\w]*\*|:[^{}]*\{")
"""A width that is given among the values."""
_clock = threading.local()


def begin(size: int) -> None:
    """The rendering that this thread begins, of a conversation of so many characters, may compute for `SECONDS`."""
    _clock.until, _clock.made = time.thread_time() + SECONDS, 0
    _clock.most, _clock.in_all = MOST_MADE + 4 * size, MOST_IN_ALL + 32 * size


def _in_time() -> None:
    if time.thread_time() > getattr(_clock, "until", float("inf")):
        raise SecurityError(f"it computes for more than {SECONDS:g} seconds")


def _makes(size: int) -> None:
    """A step makes a text or list of so many characters or items."""
    _clock.made = getattr(_clock, "made", 0) + size
    if size > getattr(_clock, "most", MOST_MADE) or _clock.made > getattr(_clock, "in_all", MOST_IN_ALL):
        raise SecurityError(f"it makes a text or list of {size:,} characters or items")


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | dict) else 1


def _written_size(value: object, most: int = 4 * MOST_MADE) -> int:
    """Characters, about, of a value as text; looked at no further than `most`."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() // 3 + 1
    if not isinstance(value, list | tuple | dict):
        return 16
    total = 2
    for item in value:
        total += _written_size(item, most - total) + 2
        if isinstance(value, dict):
            total += _written_size(value[item], most - total)
        if total > most:
            break
    return total


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Where chat templates run."""

    intercepted_binops = frozenset(("+", "*", "**", "%", "//"))

    def __init__(self, **settings: Any) -> None:
        super().__init__(finalize=_shown, **settings)
        self.globals.pop("lipsum", None)
        self.filters = {name: bounded(filter_, name) for name, filter_ in self.filters.items() if name in FILTERS}
        self.tests = {name: _timely(test) for name, test in self.tests.items()}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may ask for an attribute or method."""
        for kind, names in METHODS.items():
            if isinstance(obj, kind):
                return attr in names
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format`, with a look at its widths."""
        formatted = super().wrap_str_format(value)
        if formatted is None:
            return None

        def narrow(*args: Any, **kwargs: Any) -> str:
            narrow_places(str(value.__self__), (*args, *kwargs.values()))
            return formatted(*args, **kwargs)

        return narrow

    def counted(self, items: Iterable[object]) -> Iterable[object]:
        """What a loop goes over, with a look at the time at each turn."""
        _in_time()
        return _Timed(items) if isinstance(items, Sequence) else _timed(items)

    def joined(self, *parts: object) -> str:
        """The operator `~`."""
        _makes(sum(map(_written_size, parts)))
        return "".join(map(str, parts))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Operators that can make something long out of something short."""
        _in_time()
        if operator == "+" and not isinstance(left, int | float):
            _makes(_size(left) + _size(right))
        elif operator == "*":
            pairs = ((left, right), (right, left))
            _makes(max((_size(a) * b for a, b in pairs if isinstance(b, int) and not isinstance(a, int)), default=0))
            _makes(sum(_written_size(n) for n in (left, right) if isinstance(n, int)))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _makes(abs(left).bit_length() * max(0, right))
        elif operator == "%" and isinstance(left, str):
            given = right if isinstance(right, tuple) else (right,)
            narrow_places(left, given)
            _makes(len(left) + len(given) * MOST_WIDTH + sum(map(_written_size, given)))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja has it
        """Calls of methods and macros."""
        _in_time()
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, str):
            if name == "replace" and len(args) > 1:
                _makes(len(owner) + owner.count(str(args[0])) * len(str(args[1])))
            elif name == "join" and args:
                args = (list(args[0]), *args[1:])
                _makes(sum(_written_size(a) + len(owner) for a in args[0]))
            else:
                _makes(len(owner))
        return super().call(__context, __obj, *args, **kwargs)

    def concat(self, parts: Iterable[str]) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What a template or macro has written."""
        out = []
        for part in parts:
            _makes(len(part))
            out.append(part)
        _makes(sum(map(len, out)))
        return "".join(out)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MOST_SOURCE:
            raise SecurityError(f"it has {len(source):,} characters")
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = _call("counted", [loop.iter])
        _replace_joins(tree)
        return tree


def _call(name: str, arguments: list[Any]) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name), arguments, [], None, None)


def _replace_joins(node: nodes.Node) -> None:
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Concat):
            setattr(node, field, _call("joined", value.nodes))
        elif isinstance(value, list):
            setattr(node, field, [_call("joined", v.nodes) if isinstance(v, nodes.Concat) else v for v in value])
    for child in node.iter_child_nodes():
        _replace_joins(child)


def _shown(value: object) -> object:
    """A value before it is written into the text."""
    _makes(_written_size(value))
    return value


class _Timed(Sequence[object]):
    """A list that a loop goes over; it knows its length, as templates ask for it."""

    def __init__(self, items: Sequence[object]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Any) -> Any:
        return self._items[place]

    def __iter__(self) -> Iterator[object]:
        return _timed(self._items)


def _timed(items: Iterable[object]) -> Iterator[object]:
    for item in items:
        _in_time()
        yield item


def bounded(filter_: Callable[..., object], name: str) -> Callable[..., object]:
    """A filter that looks at the time, and at how much it is asked to make."""
    first = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @functools.wraps(filter_)
    def within(*args: Any, **kwargs: Any) -> object:
        _in_time()
        before, value, given = args[:first], args[first] if len(args) > first else None, args[first + 1 :]
        if name in ("join", "list", "sort", "unique", "sum", "groupby", "max", "min", "length", "count", "string"):
            if not isinstance(value, str | list | tuple | dict) and isinstance(value, Iterable):
                value = _gathered(value)
            between = str(given[0] if given else kwargs.get("d", "")) if name == "join" else ""
            _makes(_written_size(value) + len(between) * _size(value))
            if name == "sum" and not all(isinstance(v, int | float | str | None) for v in (*given, *kwargs.values())):
                raise SecurityError("it adds up lists")
        elif name == "format":
            narrow_places(str(value), (*given, *kwargs.values()))
        elif name == "replace" and len(given) > 1:
            text = str(value)
            _makes(len(text) + text.count(str(given[0])) * len(str(given[1])))
        elif name in ("indent", "tojson", "truncate"):
            width = max((w if isinstance(w, int) else _size(w) for w in (*given, *kwargs.values())), default=1)
            if width > MOST_WIDTH and name != "truncate":
                raise _wide()
            places = _size(value) if name == "tojson" else str(value).count("\n") + 1
            _makes(_written_size(value) + (width + 4) * places)
        elif isinstance(value, str):
            _makes(len(value))
        return filter_(*before, value, *given, **kwargs) if len(args) > first else filter_(*args, **kwargs)

    return within


def _gathered(items: Iterable[object]) -> list[object]:
    out = []
    for item in items:
        _in_time()
        out.append(item)
        if len(out) > MOST_MADE:
            raise SecurityError("it makes a list without end")
    return out


def _timely(test: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(test)
    def timely(*args: Any, **kwargs: Any) -> object:
        _in_time()
        return test(*args, **kwargs)

    return timely


def narrow_places(text: str, given: Iterable[object]) -> None:
    """Refuses a text with places for values whose widths would fill the memory.

    Raises:
        SecurityError: a width is a thousand or more.
    """
    if _WIDE.search(text):
        raise _wide()
    if _GIVEN.search(text) and any(isinstance(value, int) and abs(value) > MOST_WIDTH for value in given):
        raise _wide()


def _wide() -> SecurityError:
    return SecurityError("it pads a text to a width of thousands")
