"""Toy packages as pip leaves them (a module, and a dist-info folder with entry points), and Python that sees them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests import forked


def installed(folder: Path, points: str, code: str, name: str = "toy", module: str = "toy_plugin") -> Path:
    """A package in a folder that stands for site-packages."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code, "utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    return folder


def python(site: Path | None, cwd: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Runs Python with what is installed there; `-m postgrad …` or `-c …`."""
    path = os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH", "")]))
    return forked.python(*command, cwd=cwd, env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"})
