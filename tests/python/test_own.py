"""Checks and metrics of one's own: as objects in a call, and as entry points of an installed package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import postgrad as pg
from postgrad.checks.near_duplicates import near_duplicates
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.python.own import given_of
from tests.python.toys import installed, python

ROWS = [
    {"question": f"How many are {n} and {n * n} lamps of the shop?", "answer": f"About {3 * n}."} for n in range(12)
]


def shouting(records, context):
    found = tuple(i for i, r in enumerate(records) if r.prompt_text.isupper())
    if found:
        yield pg.Finding("shouting", "error", f"{len(found)} requests shout.", found)


def test_a_check_given_as_an_object_runs_in_this_call_alone():
    rows = [*ROWS, {"question": "WHERE IS MY LAMP?", "answer": "Here."}]
    checked = pg.check.events(rows, checks=[shouting]).result
    assert [r.prompt_text for r in checked.of("shouting").records] == ["WHERE IS MY LAMP?"]
    assert [f.check for f in checked.errors()] == ["shouting"] and not checked.errors(["shouting"])
    assert len(pg.check.events(rows, checks=[shouting], accept=["shouting"]).result.of("shouting")) == 1
    with pytest.raises(pg.UsageError, match="No check 'shouting' ran"):
        pg.check.events(rows).result.of("shouting")
    assert len(pg.check.events(ROWS, checks=[shouting]).result.of("shouting")) == 0  # it ran and found nothing


@pytest.mark.parametrize(
    ("finding", "message"),
    [
        (lambda: pg.Finding("another", "error", "…"), "under another name, 'another'"),
        (lambda: pg.Finding("mine", "error", "…", (12,)), "points at record 12, but there are 12"),
        (lambda: pg.Finding("mine", "error", "…", (1, 2), ("one",)), "1 pieces of evidence for 2 records"),
        (lambda: "a sentence", "instead of a Finding"),
        (lambda: 1 / 0, "'mine' failed: ZeroDivisionError"),
    ],
)
def test_a_faulty_check_is_told_by_name(finding, message):
    with pytest.raises(pg.DataError, match=message):
        _ = pg.check.events(ROWS, checks={"mine": lambda records, context: [finding()]}).result


def test_names_are_not_taken_unasked():
    def duplicates(records, context):
        return []

    with pytest.raises(pg.UsageError, match="two checks named 'duplicates'"):
        pg.check.events(ROWS, checks=[duplicates])
    assert len(pg.check.events([*ROWS, ROWS[0]], checks={"duplicates": duplicates}).result.kept) == 13
    with pytest.raises(pg.UsageError, match="requires a name"):
        pg.check.events(ROWS, checks=[lambda records, context: []])

    def chrf(answer, reference):
        return 1.0

    with pytest.raises(pg.UsageError, match="a metric named 'chrf' already"):
        given_of(chrf, ())


def test_another_function_of_the_same_name_is_another_metric():
    """What was kept under one (a searched prompt) must not be taken for the other's."""

    def made(limit, half=0.5):
        def score(answer, reference, record):
            return half if len(answer) < limit else 1.0

        return score

    spellings = [given_of(made(*options), ())[0] for options in [(3,), (3,), (4,), (3, 0.6)]]
    assert spellings[0] == spellings[1] and len(set(spellings)) == 3


PLUGIN = """
from postgrad import Finding
def loud():
    def check(records, context):
        yield Finding('loud', 'warning', f'{len(records)} seen.', tuple(range(len(records))))
    return check
def same_length(*, slack: int = 0):
    return lambda answer, reference: float(abs(len(answer) - len(reference)) <= slack)
def broken():
    return 3
"""


def run(code: str, site: Path | None, cwd: Path) -> subprocess.CompletedProcess[str]:
    return python(site, cwd, "-c", f"import postgrad as pg\nROWS = {ROWS!r}\n{code}")


CHECKS = "print(len(pg.check.events(ROWS).result.of('loud')))"
METRIC = (
    "from postgrad.evaluation.metrics.support.named import metric_named\n"
    "m = metric_named('same_length(slack=1)'); print(m.name, m('abc', 'abcd'), m('a', 'abcd'))"
)


def test_an_installed_package_adds_a_check_and_a_metric(tmp_path):
    site = tmp_path / "site"
    points = "[postgrad.checks]\nloud = toy_plugin:loud\n[postgrad.metrics]\nsame_length = toy_plugin:same_length\n"
    installed(site, points, PLUGIN)
    done = run(f"{CHECKS}\n{METRIC}", site, tmp_path)
    assert done.stdout == "12\nsame_length 1.0 0.0\n", done.stderr
    wrong = run(
        "from postgrad.evaluation.metrics.support.named import metric_named; metric_named('same_len')", site, tmp_path
    )
    assert "did you mean 'same_length'" in wrong.stderr
    assert run(CHECKS, None, site).returncode == 1, "the working directory is no place of installed packages"


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("[postgrad.checks]\nloud = toy_plugin:missing\n", "The check 'loud' of the installed package toy 1.0"),
        ("[postgrad.checks]\nloud = no_such_module:loud\n", "ModuleNotFoundError"),
        ("[postgrad.checks]\nloud = toy_plugin:broken\n", "gave 3, which is no function"),
        ("[postgrad.checks]\nduplicates = toy_plugin:loud\n", "postgrad already has one of that name"),
    ],
)
def test_a_faulty_package_is_refused_by_name(tmp_path, points, message):
    site = tmp_path / "site"
    installed(site, points, PLUGIN)
    done = run("pg.check.events(ROWS).result", site, tmp_path)
    assert done.returncode == 1 and "UsageError" in done.stderr and message in done.stderr
    assert "toy 1.0" in done.stderr


def test_two_packages_of_one_name_are_refused(tmp_path):
    site = tmp_path / "site"
    for name in ("toy", "toy-too"):
        installed(site, "[postgrad.checks]\nloud = toy_plugin:loud\n", PLUGIN, name)
    done = run("pg.check.events(ROWS).result", site, tmp_path)
    assert "toy 1.0" in done.stderr and "toy-too 1.0" in done.stderr and "the name must be unique" in done.stderr


def test_a_file_named_in_a_recipe_stays_off(tmp_path):
    (tmp_path / "mine.py").write_text("def score(answer, reference, record): return 1.0\n")
    with pytest.raises(pg.UsageError, match="own_code"):
        metric_named(f"{tmp_path / 'mine.py'}:score")


def test_a_higher_threshold_is_what_a_new_search_would_find():
    text = (
        "Where is the parcel with the two brass lamps that I ordered for my aunt in the old mill house by the river{}?"
    )
    rows = [{"q": text.format(end), "a": "It is on its way."} for end in ("", " today", " today or tomorrow, please")]
    rows += [{"q": f"{row['question']} {'so ' * n}", "a": row["answer"]} for n, row in enumerate(ROWS)]
    checked = pg.check.events(rows).result
    found = checked.of("near_duplicates")
    assert len(found) == 2
    higher = checked.rethreshold(near_duplicates=0.9)
    again = pg.check.events(rows, checks={"near_duplicates": near_duplicates(threshold=0.9)}).result
    assert higher.of("near_duplicates") == again.of("near_duplicates") and len(higher.of("near_duplicates")) == 1
    assert len(checked.rethreshold(near_duplicates=1.0).of("near_duplicates")) == 0
    assert "2 records nearly repeat" in repr(found) and "data:2" in repr(found)
    with pytest.raises(pg.UsageError, match=r"searched from 0\.9"):
        higher.rethreshold(near_duplicates=0.7)
    with pytest.raises(pg.UsageError, match="No check 'near' ran"):
        checked.rethreshold(near=0.9)
    with pytest.raises(pg.UsageError, match="has no threshold"):
        checked.rethreshold(too_little=0.9)
