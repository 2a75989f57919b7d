"""The pages print: a real browser, where there is one, makes a PDF of each without asking the network."""

import re
import shutil
import subprocess

import pytest

from postgrad.pages.compare_page import render_compare
from postgrad.pages.report_page import render_report
from tests.needs import service_missing
from tests.pages.example_compare import full_compare
from tests.pages.example_reports import full_report

BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
PAGES = {"report": lambda: render_report(full_report()), "compare": lambda: render_compare(full_compare())}


@pytest.mark.parametrize(("name", "most"), [("report", 16), ("compare", 8)])
def test_a_page_prints(name, most, tmp_path):
    if BROWSER is None:
        service_missing("no browser to print with", "chromium")
    page, target = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
    page.write_text(PAGES[name](), "utf-8")
    subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--no-pdf-header-footer",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--print-to-pdf={target}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    printed = target.read_bytes()
    assert printed.startswith(b"%PDF") and 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= most
