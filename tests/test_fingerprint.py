"""What code does, in eight digits: the same in every process, another when anything of it changes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest

from postgrad.fingerprint import fingerprint

SOURCE = """
import math
from dataclasses import dataclass
WORDS = {{"yes", "no", "perhaps", "never"}}
LIMIT = 3
seen = []

def helper(text):
    return {helper}

class Kind:
    limit: int = {limit}
    def __call__(self, text):
        return text in {{"a", "b", "c", "d"}} and helper(text) in WORDS
    @staticmethod
    def other(text):
        return math.sqrt({other})

class Derived(Kind):
    pass

@dataclass
class Held:
    kind: object

def plain(text, most=LIMIT, *, least={least}):
    seen.append(text)
    return [one for one in WORDS if len(one) > LIMIT and Kind()(one)] or (lambda: {inner})()

def endless(text):
    return endless(text[1:]) if text else 0
"""
PARTS = {"helper": "text.lower()", "limit": "1", "other": "2", "least": "0", "inner": "5"}
ALL = ("plain", "Kind", "Derived", "Kind()", "Held(plain)", "endless", "Kind.other")


def found(of: str, **changes: str) -> str:
    scope: dict = {"__name__": __name__}
    exec(SOURCE.format(**PARTS | changes), scope)
    return fingerprint(eval(of, scope))


@pytest.mark.parametrize("of", ALL)
def test_the_same_code_is_the_same_in_every_process(of):
    code = f"from tests.test_fingerprint import found; print(found({of!r}))"
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        assert done.stdout.strip() == found(of)


@pytest.mark.parametrize(
    ("of", "part"),
    [
        ("plain", "helper"),
        ("plain", "least"),
        ("plain", "inner"),
        ("plain", "limit"),
        ("Kind", "helper"),
        ("Kind", "other"),
        ("Derived", "limit"),
        ("Derived", "helper"),
        ("Kind()", "helper"),
        ("Held(plain)", "helper"),
        ("Kind.other", "other"),
    ],
)
def test_whatever_changes_counts(of, part):
    assert found(of, **{part: "9"}) != found(of)


def test_what_is_bound_counts():
    assert fingerprint(partial(max, 1)) != fingerprint(partial(max, 2))

    def giving(value):
        return lambda: value

    made = list(map(giving, (1, 1, 2)))
    assert fingerprint(made[0]) == fingerprint(made[1]) != fingerprint(made[2])


def test_what_is_gathered_while_it_works_does_not_count():
    scope: dict = {"__name__": __name__}
    exec(SOURCE.format(**PARTS), scope)
    before = fingerprint(scope["plain"])
    scope["plain"]("x")
    assert fingerprint(scope["plain"]) == before
