"""Mutated files of 25 kinds: each is read, or refused with one clear error. The long form is the bench itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from postgrad.data.sources.spoilt import unspoilt
from postgrad.errors import DataError

ROOT = Path(__file__).parents[2]


def test_mutated_files():
    command = [sys.executable, str(ROOT / "bench" / "fuzz_readers.py"), "--count", "1500"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "'refused'" in done.stdout and "'read'" in done.stdout


@pytest.mark.parametrize("error", [TypeError("x"), IndexError(), MemoryError(), OSError("odd"), AssertionError("y")])
def test_whatever_a_reader_raises_names_the_file(error):
    with pytest.raises(DataError, match=r"a\.xlsx") as caught, unspoilt("a.xlsx"):
        raise error
    assert caught.value.__cause__ is error and caught.value.mend
