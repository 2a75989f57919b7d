"""Pages followed word for word: their code blocks, and their commands run as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import ROOT

QUICK = {
    "run": ["--arms", "nearest,base,fine_tuned", "--max-minutes", "1", "--no-general", "--recipe", "quick.yaml"],
    "estimate": [],
}
"""What is added to commands that take minutes: they run on a tiny base, with fewer arms."""


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of each code block of a page in `docs/`."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    yield from re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shown(page: str) -> list[str]:
    """The command lines of postgrad that a page in `docs/` shows."""
    lines = (line.strip() for kind, block in blocks(page) if kind in ("", "sh") for line in block.splitlines())
    return [line for line in lines if line.startswith("postgrad ")]


def words_of(line: str) -> list[str]:
    """As a shell reads it: a comment begins with a blank and #."""
    return shlex.split(re.sub(r"\s#\s.*", "", line))


def follow(
    line: str, folder: Path, base: Path, more: Sequence[str] = (), codes: Sequence[int] = (0,), seconds: int = 400
) -> str:
    """What the command printed, with `more` words; it must end with one of `codes`."""
    words = [*words_of(line), *more]
    target = None
    if ">" in words:
        words, target = words[: words.index(">")], folder / words[words.index(">") + 1]
    if words[1] in QUICK:
        words += [*(w for w in QUICK[words[1]] if not more), "--base", str(base)]
    done = subprocess.run(
        [sys.executable, "-m", "postgrad", *words[1:]],
        cwd=folder,
        env={**os.environ, "POSTGRAD_HOME": str(folder / "home"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode in codes, f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    if target is not None:
        target.write_text(done.stdout, "utf-8")
    return done.stdout + (done.stderr if done.returncode else "")
