"""Arithmetic made from a seed: sums, differences, products and small stories, answered by choosing among four numbers.

The wrong numbers are those of usual slips (a carry lost, a digit off, the other operation), so that size alone does not
give the right one away.
"""

from __future__ import annotations

import random

from postgrad.evaluation.battery.readers import Item

_NAMES = ("Anna", "Ben", "Chloe", "David", "Elif", "Farid", "Grace", "Hugo")
_MOST = 5000
_THINGS = ("apples", "books", "stamps", "marbles", "tickets", "cards", "shells", "pencils")


def arithmetic(count: int, seed: int = 0) -> tuple[Item, ...]:
    """So many items (5,000 at most), half of them bare sums and half stories; the same seed gives the same items."""
    draw = random.Random(f"arithmetic/{seed}")
    kinds = (_addition, _story_more, _subtraction, _story_less, _product, _story_times)
    seen: dict[str, Item] = {}
    tried = 0
    while len(seen) < min(count, _MOST):
        question, right, slips = kinds[tried % len(kinds)](draw)
        tried += 1
        if question not in seen:
            seen[question] = _item(draw, question, right, slips)
    return tuple(seen.values())


def _item(draw: random.Random, question: str, right: int, slips: list[int]) -> Item:
    wrong = [n for n in dict.fromkeys([*slips, right + 1, right - 1, right + 10, right + 2]) if n >= 0 and n != right]
    choices = [right, *wrong[:3]]
    draw.shuffle(choices)
    return Item(f"Question: {question}\nAnswer:", tuple(f" {n}" for n in choices), choices.index(right))


def _addition(draw: random.Random) -> tuple[str, int, list[int]]:
    a, b = draw.randint(2, 60), draw.randint(2, 39)
    return f"What is {a} + {b}?", a + b, [a + b - 10, a + b + 1, abs(a - b)]


def _subtraction(draw: random.Random) -> tuple[str, int, list[int]]:
    a = draw.randint(12, 99)
    b = draw.randint(2, a - 3)
    return f"What is {a} - {b}?", a - b, [a - b + 10, a - b - 1, a + b]


def _product(draw: random.Random) -> tuple[str, int, list[int]]:
    a, b = draw.randint(2, 12), draw.randint(2, 9)
    return f"What is {a} times {b}?", a * b, [a * (b + 1), a * b - b, a + b]


def _story_more(draw: random.Random) -> tuple[str, int, list[int]]:
    name, things = draw.choice(_NAMES), draw.choice(_THINGS)
    a, b = draw.randint(2, 30), draw.randint(2, 20)
    text = f"{name} has {a} {things} and gets {b} more. How many {things} does {name} have now?"
    return text, a + b, [abs(a - b), a + b + 1, a]


def _story_less(draw: random.Random) -> tuple[str, int, list[int]]:
    name, other = draw.sample(_NAMES, 2)
    things, a = draw.choice(_THINGS), draw.randint(8, 40)
    b = draw.randint(2, a - 3)
    text = f"{name} has {a} {things} and gives {b} of them to {other}. How many {things} does {name} have left?"
    return text, a - b, [a + b, a - b - 1, b]


def _story_times(draw: random.Random) -> tuple[str, int, list[int]]:
    name, things = draw.choice(_NAMES), draw.choice(_THINGS)
    a, b = draw.randint(2, 9), draw.randint(2, 9)
    text = f"{name} fills {a} boxes with {b} {things} each. How many {things} is that in all?"
    return text, a * b, [a + b, a * b + a, a * b - b]
