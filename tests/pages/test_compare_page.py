"""The pages of a comparison and of several bases: self-contained, escaped, nothing left out."""

import pytest

from postgrad.pages.compare_page import BADGES, render_compare, write_compare
from postgrad.pages.report_page import render_report
from postgrad.report.comparison import CompareReport
from postgrad.report.run_report import BasePart
from tests.pages.example_compare import full_compare
from tests.pages.example_reports import SCRIPT, full_report


def test_the_page_holds_what_was_found_and_asks_for_nothing(tmp_path):
    report = full_compare()
    files = write_compare(report, tmp_path)
    assert [f.name for f in files] == ["compare.json", "compare.html"]
    assert CompareReport.model_validate_json(files[0].read_text()) == report
    page = files[1].read_text()
    assert report.sentence in page and "training.rank" in page and "answer: refund" in page and "not passed" in page
    assert SCRIPT not in page and "&lt;script&gt;" in page
    assert "src=" not in page.replace("src=http://evil.example", "") and "@import" not in page
    assert "default-src 'none'" in page and render_compare(report) == page


@pytest.mark.parametrize("verdict", BADGES)
def test_every_verdict_has_its_badge(verdict):
    page = render_compare(
        full_compare().model_copy(update={"verdict": verdict, "slices": [], "arms": [], "changes": [], "improved": []})
    )
    assert BADGES[verdict][0] in page and "Nothing that was recorded differs" in page


def test_bases_stand_in_the_report_with_links_to_their_own():
    bases = [
        BasePart(
            name="large",
            base="org/large",
            folder="org--large",
            recommendation="fine_tune",
            untrained_arm="few_shot",
            untrained_score=0.4,
            tuned_score=0.8,
            parameters=360_000_000,
            training_seconds=300,
            training_cost=0.1,
            peak_memory_bytes=4 * 10**9,
            cost_per_1000=0.02,
        ),
        BasePart(
            name="small", base="small", folder="small", recommendation="few_shot", note="Not trained, because " + SCRIPT
        ),
    ]
    page = render_report(full_report().model_copy(update={"bases": bases}))
    assert 'href="org--large/report.html"' in page and "360 M" in page and SCRIPT not in page
    assert 'id="bases"' not in render_report(full_report())
