"""Jinja within limits: a chat template comes with a model, and whoever made the model wrote it.

The sandbox of Jinja keeps templates from Python's insides, not from loops within loops and texts that double. Here
every turn of a loop, every call and every filter looks at the time that this rendering has computed, and whatever makes
a text or list longer in one step is looked at before.
"""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS = 10.0
"""Of one thread's computing, for one conversation; usual ones take milliseconds."""
MOST_SOURCE = 1 << 20
MOST_TEXT = 64 << 20
"""Characters of a text, or items of a list, that one step may make."""
MOST_WIDTH = 1 << 20
"""Of padding and the like."""
_WIDE = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(?:\d{7,}|\d*\.\d{7,})|\{[^{}]*:[^{}]*\d{7,}")
"""A width of millions in a text with places for values, in both of Python's ways to write them."""
_GIVEN = re.compile(r"%[^%\w]*\*|:[^{}]*\{")
"""A width that is given among the values."""
_WIDENING = ("center", "ljust", "rjust", "zfill", "expandtabs")
_clock = threading.local()


def begin() -> None:
    """The rendering that this thread begins may compute for `SECONDS`."""
    _clock.until = time.thread_time() + SECONDS


def _in_time() -> None:
    if time.thread_time() > getattr(_clock, "until", float("inf")):
        raise SecurityError(f"it computes for more than {SECONDS:g} seconds")


def _small(size: int) -> None:
    if size > MOST_TEXT:
        raise SecurityError(f"it makes a text or list of {size:,} characters or items")


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 1


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Where chat templates run."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **settings: Any) -> None:  # pyright: ignore[reportExplicitAny]
        super().__init__(**settings)
        self.globals.pop("lipsum", None)
        self.filters = {name: narrow(filter_) for name, filter_ in self.filters.items()}

    def counted(self, items: Iterable[object]) -> Iterable[object]:
        """What a loop goes over, with a look at the time at each turn."""
        _in_time()
        return _Timed(items) if isinstance(items, Sequence) else _timed(items)

    def joined(self, *parts: object) -> str:
        """The operator `~`."""
        texts = [str(part) for part in parts]
        _small(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Operators that can make something long out of something short."""
        _in_time()
        if operator == "+":
            _small(_size(left) + _size(right))
        elif operator == "*":
            pairs = ((left, right), (right, left))
            _small(max((_size(a) * b for a, b in pairs if isinstance(b, int) and not isinstance(a, int)), default=0))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _small(abs(left).bit_length() * max(0, right))
        elif operator == "%" and isinstance(left, str):
            narrow_places(left, right if isinstance(right, tuple) else (right,))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja has it
        """Calls of methods and macros."""
        _in_time()
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, str):
            if name in _WIDENING:
                _narrow_widths((*args, *kwargs.values()))
            elif name in ("format", "format_map"):
                narrow_places(owner, (*args, *kwargs.values()))
            elif name == "replace" and len(args) > 1:
                _small(len(owner) + owner.count(str(args[0])) * len(str(args[1])))
            elif name == "join" and args:
                args = (list(args[0]), *args[1:])
                _small(sum(len(str(a)) + len(owner) for a in args[0]))
        return super().call(__context, __obj, *args, **kwargs)

    def concat(self, parts: Iterable[str]) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What a template or macro has written."""
        out, size = [], 0
        for part in parts:
            size += len(part)
            _small(size)
            out.append(part)
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


def narrow(filter_: Callable[..., object]) -> Callable[..., object]:
    """A filter that looks at the time, and at how long it is asked to make something."""
    first = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @functools.wraps(filter_)
    def within(*args: Any, **kwargs: Any) -> object:
        _in_time()
        given = (*args[first + 1 :], *kwargs.values())
        if filter_.__name__ == "do_format":
            narrow_places(str(args[first]), given)
        elif filter_.__name__ == "do_replace" and len(given) > 1:
            text, old, new = str(args[first]), str(given[0]), str(given[1])
            _small(len(text) + text.count(old) * len(new))
        elif filter_.__name__ != "do_default":
            _narrow_widths(given)
        return filter_(*args, **kwargs)

    return within


def narrow_places(text: str, given: Iterable[object]) -> None:
    """Refuses a text with places for values whose widths would fill the memory.

    Raises:
        SecurityError: a width is a million or more.
    """
    if _WIDE.search(text):
        raise _wide()
    if _GIVEN.search(text):
        _narrow_widths(given)


def _narrow_widths(given: Iterable[object]) -> None:
    if any(isinstance(value, int) and abs(value) > MOST_WIDTH for value in given):
        raise _wide()


def _wide() -> SecurityError:
    return SecurityError("it pads a text to a width of a million or more")
