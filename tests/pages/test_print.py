"""The pages print: a real browser, where there is one, makes a PDF of each without asking the network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from postgrad.pages.answers_page import render_answers
from postgrad.pages.compare_page import render_compare
from postgrad.pages.report_page import render_report
from postgrad.report.arm_parts import ArmPart
from postgrad.report.results import ArmAnswer, ResultLine
from tests.needs import service_missing
from tests.pages.example_compare import full_compare
from tests.pages.example_reports import full_report, minimal_report

BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
PAGES = {"report": lambda: render_report(full_report()), "compare": lambda: render_compare(full_compare())}


def printed(html: str, folder: Path) -> list[str]:
    """The text of each page."""
    if BROWSER is None:
        service_missing("no browser to print with", "chromium")
    page, target = folder / "page.html", folder / "page.pdf"
    page.write_text(html, "utf-8")
    subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder / 'profile'}",
            f"--print-to-pdf={target}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return [sheet.extract_text() for sheet in PdfReader(target).pages]


@pytest.mark.parametrize(("name", "most"), [("report", 16), ("compare", 8)])
def test_a_page_prints(name, most, tmp_path):
    assert 1 <= len(printed(PAGES[name](), tmp_path)) <= most


def test_a_report_is_four_pages_and_an_appendix(tmp_path):
    pages = printed(render_report(full_report()), tmp_path)
    assert next(n for n, text in enumerate(pages) if "Appendix" in text) <= 4
    assert "/" not in "".join(re.findall(r"\S*tickets\.jsonl:\d+", "".join(pages))), "files without their folders"


def lines() -> list[ResultLine]:
    """Four examples: both right, one right, the other right, both wrong; requests of growing length."""
    rows = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    return [
        ResultLine(
            hash=str(n),
            file="/home/someone/data.csv",
            line=n + 2,
            prompt=[{"role": "user", "content": f"Request {n} " + "and more " * n}],
            reference="yes",
            arms={
                "fine_tuned": ArmAnswer(answer="yes" if a else "no", score=a),
                "base": ArmAnswer(answer="yes" if b else "no", score=b),
            },
        )
        for n, (a, b) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("arm", "show", "sort", "order"),
    [
        (0, "all", "worst", [3, 4, 1, 2]),
        (0, "wrong", "file", [3, 4]),
        (0, "right", "long", [2, 1]),
        (1, "wrong", "worst", [2, 4]),
        (1, "apart", "file", [2]),
    ],
)
def test_answers_are_filtered_and_sorted_without_a_script(arm, show, sort, order, tmp_path):
    arms = [ArmPart(name=n, model="m", score=0.5, interval=(0.1, 0.9), n=4) for n in ("fine_tuned", "base")]
    html = render_answers(minimal_report().model_copy(update={"arms": arms}), lines(), 4)
    assert "<script" not in html and "/home/someone" not in html
    for group, choice in (("arm", f"arm-{arm}"), ("show", f"show-{show}"), ("sort", f"sort-{sort}")):
        html = re.sub(rf'(name="{group}" id="[^"]+") checked', r"\1", html)
        html = html.replace(f'id="{choice}"', f'id="{choice}" checked')
    assert [int(n) for n in re.findall(r"Example (\d)", "\n".join(printed(html, tmp_path)))] == order
