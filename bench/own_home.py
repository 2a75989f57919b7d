"""A home folder of a bench's own, with the base models that were fetched before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postgrad.storage import home


@contextmanager
def own_home() -> Iterator[Path]:
    """A fresh home, gone afterwards; base models are shared with the usual one."""
    with tempfile.TemporaryDirectory(prefix="postgrad-bench-") as scratch:
        fresh = Path(scratch) / "home"
        fresh.mkdir()
        (home() / "models").mkdir(parents=True, exist_ok=True)
        (fresh / "models").symlink_to(home() / "models")
        yield fresh
