"""The report's page keeps its promises: whole, safe, without network, the same every time, and written whole."""

from __future__ import annotations

import html
import math
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from example_reports import SCRIPT, full_report, minimal_report

from postgrad.pages import render_report, write_report
from postgrad.pages.formatting import PER_CENT, days
from postgrad.pages.report_page import chosen_arm, key_figures, tone
from postgrad.report.advice import CurvePart
from postgrad.report.arm_parts import ArmPart
from postgrad.report.made_from import called
from postgrad.report.money_parts import CostPart
from postgrad.report.run_report import ForgettingPart, Report, SamplePart
from postgrad.steps.reporting.advice import briefed

VOID = {"meta", "br", "img", "hr", "input", "link"}


class _Page(HTMLParser):
    """Collects what the tests ask for, and that every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _pictures(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def _arm(name: str, score: float, low: float, high: float) -> ArmPart:
    return ArmPart(name=name, model="m", score=score, interval=(low, high), n=30)


@pytest.mark.parametrize("report", [full_report(), minimal_report()], ids=["full", "minimal"])
def test_page_is_well_formed_and_asks_the_network_for_nothing(report: Report) -> None:
    html = render_report(report)
    page = _Page(html)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    references = [value for key, value in page.attributes if key in ("src", "href", "srcset", "xlink:href", "action")]
    assert {value for value in references if not value.startswith("#")} <= {"answers.html"}, "only what lies beside it"
    style = (
        " ".join(value for key, value in page.attributes if key == "style")
        + re.findall("<style>(.*?)</style>", html, re.DOTALL)[0]
    )
    assert "@import" not in style
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", style))
    assert not any(key.startswith("on") for key, _ in page.attributes)
    assert "prefers-color-scheme: dark" in html


def test_user_text_is_escaped_everywhere() -> None:
    report = full_report()
    report.name = report.verdict.sentence = report.system_prompt = report.task.metric = report.task.why = SCRIPT
    report.verdict.reasons = report.cost.assumptions = report.data.notes = [SCRIPT]
    report.verdict.recommendation = report.arms[0].name = report.data.explanation = SCRIPT
    report.data.findings[0].sentence = report.data.findings[0].check = SCRIPT
    report.data.dropped = {SCRIPT: 1}
    report.machine = {SCRIPT: {SCRIPT: [SCRIPT]}}
    page = _Page(render_report(report))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.text.count("alert(1)") > 15


def test_every_arm_finding_sample_and_verdict_is_on_the_page() -> None:
    report = full_report()
    text = _Page(render_report(report)).text
    sentences = [finding.sentence for finding in report.data.findings]
    words = [*(called(report, arm.name) for arm in report.arms), *sentences]
    words += [*report.verdict.reasons, report.verdict.sentence]
    words += [benchmark.name for benchmark in report.forgetting.benchmarks] if report.forgetting else []
    words += [" ".join(sample.prompt.split()) for sample in report.samples]
    words += [
        "Fine-tune",
        "cannot tell",
        "lost",
        "kept",
        "exact duplicate",
        "contradiction",
        "emails.csv:17",
        report.data.hash,
    ]
    assert [word for word in words if word not in text] == []


def test_absent_parts_are_said_plainly() -> None:
    text = _Page(render_report(minimal_report())).text
    for sentence in ("No arm was measured.", "Nothing was trained in this run.", "The checks found nothing to report."):
        assert sentence in text
    noted = minimal_report().model_copy(
        update={"forgetting": ForgettingPart(margin=0.02, note="The hub is out of reach.")}
    )
    assert "The hub is out of reach." in render_report(noted)


def test_pictures_are_well_formed_and_their_ids_are_unique() -> None:
    html = render_report(full_report())
    pictures = _pictures(html)
    assert len(pictures) == 6
    assert all(picture.attrib["aria-label"] for picture in pictures)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    targets = re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html)
    assert set(targets) <= set(ids)
    assert "#0102" not in html, "a stand-in colour was left in a picture"


def test_same_report_gives_same_bytes() -> None:
    assert render_report(full_report()) == render_report(full_report())


@pytest.mark.parametrize(
    "arms",
    [
        [_arm("fine_tuned", 1.0, 1.0, 1.0)],
        [_arm("base", 0.0, 0.0, 0.0), _arm("fine_tuned+rag", 1.0, 0.88, 1.0)],
        [_arm("reward $x^2$", -3.5, -4.0, -3.0), _arm("名前\x00の長い" * 30, 12.0, 10.0, 14.0)],
        [_arm("base", math.nan, math.nan, math.nan)],
        [_arm(f"arm {place}", place / 30, 0.0, 1.0) for place in range(24)],
    ],
    ids=["one", "edges", "no shares", "not a number", "many"],
)
def test_odd_arms(arms: list[ArmPart]) -> None:
    report = full_report().model_copy(update={"arms": arms})
    assert _Page(render_report(report)).open == []
    assert all(picture.tag == "svg" for picture in _pictures(render_report(report)))


def test_diverged_training_and_many_classes_still_make_a_page() -> None:
    report = full_report()
    assert report.training is not None
    diverged = {"train_loss": [(1, 2.0), (2, math.nan)], "validation_loss": [], "best_step": 0}
    training = report.training.model_copy(update=diverged)
    report.arms[0].metrics = {f"f1 of class {label}": label / 77 for label in range(77)}
    html = render_report(report.model_copy(update={"training": training}))
    assert "f1 of class 76" in html
    assert "73 more" in html


def test_first_screen_speaks_of_the_recommended_arm() -> None:
    report = full_report()
    tiles = {tile.label: tile for tile in key_figures(report)}
    assert tiles["object match"].value == f"83.3{PER_CENT}"
    assert tiles["gain"].value == "+31.0 points"
    assert "over nearest examples" in tiles["gain"].note
    assert tiles["1,000 answers"].note == "nearest examples: $0.23"
    report.verdict.recommendation = "few_shot"
    chosen = chosen_arm(report)
    assert chosen is not None
    assert chosen.name == "few_shot"
    for word, colour in (
        ("fine_tune", "train"),
        ("fine_tuned+rag", "train"),
        ("few_shot", "other"),
        ("cannot_tell", "unsure"),
    ):
        report.verdict.recommendation = word
        for benchmark in report.forgetting.benchmarks if report.forgetting else ():
            benchmark.verdict = "kept"
        assert tone(report) == colour
    report.verdict.recommendation = "fine_tune"
    report.forgetting.benchmarks[0].verdict = "lost"
    assert tone(report) == "unsure", "green means: nothing lost"
    report.forgetting = None
    report.automation = None
    assert tone(report) == "unsure", "and something may go out alone"


def test_the_decision_comes_first_in_four_lines() -> None:
    report = briefed(full_report())
    page = render_report(report)
    assert report.verdict.brief is not None and len(report.verdict.brief.headline.split()) <= 18
    heading = page.partition("<h1")[2].partition("</h1>")[0]
    assert report.verdict.brief.headline in html.unescape(heading)
    places = [
        page.index(text)
        for text in ("<h1", "Use it for", "Not for", "Do next", 'id="samples"', 'id="why"', "Next steps")
    ]
    assert places == sorted(places), "the answers side by side come before the tables"


def test_answers_that_are_objects_stand_field_by_field() -> None:
    report = full_report()
    report.samples = [
        SamplePart(
            prompt="Where?",
            reference='{"order": "A1", "late": true, "note": null}',
            answers={"rag": '{"order": "A2", "late": true, "more": 1}', "fine_tuned": "no object"},
            scores={"rag": 0.0, "fine_tuned": 0.0},
        )
    ]
    page = render_report(report)
    table = page.partition('<table class="fields">')[2].partition("</table>")[0]
    assert [table.count(mark) for mark in ("✓", "✗")] == [1, 3] and "right: A1" in table and "(missing)" in table
    assert page.count('<table class="fields">') == 1 and "no object" in page


def test_work_that_was_kept_is_not_told_as_a_quick_run() -> None:
    report = full_report()
    report.cost.break_even_days = None
    for spent, label in ((7.6, "this command"), (700.0, "whole run")):
        report.seconds = {"this command": spent}
        tiles = {tile.label: tile for tile in key_figures(report)}
        assert label in tiles and ("earlier runs" in tiles[label].note) is (label == "this command")


def test_written_files_are_whole_and_alone(tmp_path: Path) -> None:
    report = full_report()
    json_path, html_path = write_report(report, tmp_path / "run" / "out")
    assert Report.model_validate_json(json_path.read_text(encoding="utf-8")) == report
    assert html_path.read_text(encoding="utf-8") == render_report(report)
    write_report(minimal_report(), json_path.parent)
    assert sorted(os.listdir(json_path.parent)) == ["report.html", "report.json"]


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError):
        write_report(minimal_report(), tmp_path)
    assert os.listdir(tmp_path) == ["report.json"]


def test_classes_and_faults_are_shown_for_the_chosen_arm() -> None:
    report = full_report()
    chosen = chosen_arm(report)
    assert chosen is not None
    classes = {f"class {i}": {"precision": 0.5, "recall": 0.5, "f1": i / 20, "n": 30 - i} for i in range(15)}
    confusion = {"class 0": {"class 3": 7, "class 0": 1, "": 4}, "class 1": {"class 1": 9}}
    details = {"label": {"classes": classes, "confusion": confusion}, "tool_calls": {"faults": {"no call": 3}}}
    details["json_fields"] = {"fields": {"<b>price": {"right": 0.25, "n": 8}}}
    arms = [a.model_copy(update={"details": details}) if a.name == chosen.name else a for a in report.arms]
    html = render_report(report.model_copy(update={"arms": arms}))
    text = _Page(html).text
    assert "By class" in text and "class 11" in text and "class 12" not in text and "3 more are in report.json" in text
    assert "class 0 answered as class 3 (7), class 0 answered as something that is no label (4)." in text
    assert "What was wrong (tool calls, fine_tuned)" in text and "no call 3" in text
    assert "<b>price" not in html and "25.0 % of 8 right" in text
    assert "By class" not in _Page(render_report(report)).text


def test_next_steps_stand_before_the_evidence_and_the_new_parts_after_it() -> None:
    report = full_report()
    text = _Page(render_report(report)).text
    steps = [text.index(word) for step in report.verdict.next_steps for word in (step.step, step.gain) if word]
    assert text.index(report.verdict.sentence) < min(steps) and max(steps) < text.index("Adjusted: after")
    assert text.index(report.verdict.next_steps[0].step) < text.index(report.verdict.next_steps[1].gain)
    assert report.kinds and report.disturbances and report.learning_curve
    for part in (report.kinds, report.disturbances, report.learning_curve):
        assert part.sentence in text
    assert "exchange rate, dollar" in text and "11.0" in text
    absent = _Page(render_report(minimal_report())).text
    assert "Next" not in absent and "Kinds of requests" not in absent and "Perturbed requests" not in absent


def test_a_curve_that_was_not_made_says_why_and_draws_nothing() -> None:
    report = full_report()
    pictures = len(_pictures(render_report(report)))
    report.learning_curve = CurvePart(sentence="No learning curve, to stay within 9 minutes.")
    html = render_report(report)
    assert "No learning curve, to stay within 9 minutes." in _Page(html).text and len(_pictures(html)) == pictures - 1


def test_the_money_is_a_table_to_pass_on() -> None:
    report = full_report()
    text = _Page(render_report(report)).text
    assert "What fine-tuned costs, in USD, at 10,000 queries a month." in text
    for words in (
        "work on the data",
        "3 trainings",
        "maintenance and retraining",
        "other one-off costs",
        "a right answer",
    ):
        assert words in text, words
    assert "$2,320" in text and "$75.21" in text, "the totals"
    assert "hosting" not in text.split("What every arm costs")[0].split("What fine-tuned costs")[1], "it costs nothing"
    assert "Work of people saved: $1,234 a month." in text and "never" in text and "−$48.30" in text
    assert "gets next to nothing right" in text
    report.cost = CostPart()
    bare = _Page(render_report(report)).text
    assert "No assumptions were recorded." in bare and "Break-even" not in bare and "What every arm costs" not in bare


def test_long_times_are_said_in_months() -> None:
    assert [days(count) for count in (1.2, 60, 243.2, 760)] == ["1.2 days", "60 days", "8 months", "25 months"]


def test_the_frontier_is_drawn_where_the_distance_was_measured() -> None:
    report = full_report()
    before = len(_pictures(render_report(report)))
    assert report.training
    report.training.replayed = 70
    report.training.metrics["eval_kl_general"] = [(s, 0.001 * s**0.8) for s, _ in report.training.validation_loss]
    report.training.metrics["eval_kl_task"] = [(s, 0.004 * s**0.8) for s, _ in report.training.validation_loss]
    html = render_report(report)
    pictures = _pictures(html)
    assert len(pictures) == before + 1
    said = next(p.get("aria-label", "") for p in pictures if "distance from the base" in p.get("aria-label", ""))
    assert (
        f"kept is step {report.training.best_step}" in said
        and said.count("loss") > len(report.training.validation_loss) - 1
    )
    text = _Page(html).text
    assert "of which replay 70" in text and "350 examples" in text, "replay is no data of the user"


def test_the_loss_that_could_not_be_seen_stands_in_the_table() -> None:
    report = full_report()
    assert report.forgetting and "smaller ones could not be seen" not in _Page(render_report(report)).text
    report.forgetting.benchmarks[0].seen = 0.064
    text = _Page(render_report(report)).text
    assert "smaller ones could not be seen" in text and "−6.4" in text
