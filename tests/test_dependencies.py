"""What users install is what was tested: bounds, pins, hashes and the list of licences agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [Requirement(r) for r in PROJECT["dependencies"]]
OFFERED = [Requirement(r) for name, some in EXTRAS.items() if name != "dev" for r in some]
EVERY = [*DIRECT, *OFFERED, *map(Requirement, EXTRAS["dev"])]


def pins(name: str) -> dict[str, Version]:
    found = re.findall(r"^([A-Za-z0-9_.\-]+)==([^\s;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): Version(version) for package, version in found}


@pytest.mark.parametrize("asked", EVERY, ids=lambda r: r.name)
def test_a_requirement_has_both_bounds_and_holds_what_was_tested(asked: Requirement) -> None:
    assert {s.operator for s in asked.specifier} >= {">=", "<"}, "give it the next major version as its upper bound"
    assert pins("constraints.txt")[canonicalize_name(asked.name)] in asked.specifier


def test_what_users_get_has_hashes_and_is_what_was_tested() -> None:
    locked, tested = pins("requirements.lock"), pins("constraints.txt")
    assert {canonicalize_name(r.name) for r in DIRECT} <= set(locked), "make lock"
    assert {n: v for n, v in locked.items() if n in tested and tested[n] != v} == {}
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked) > 80
    assert [e.split()[0] for e in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", e)] == []


def test_every_dependency_is_accounted_for() -> None:
    page = (ROOT / "design" / "0014-dependencies.md").read_text()
    listed = {canonicalize_name(name) for name in re.findall(r"^\| ([A-Za-z0-9_.\-]+) \|", page, re.MULTILINE)}
    wanted = {canonicalize_name(r.name) for r in (*DIRECT, *OFFERED)}
    assert wanted <= listed and listed - wanted <= {"package"}, (wanted - listed, listed - wanted)
