"""Arms of one's own: a function or an `ArmKind` in a call, and entry points of an installed package."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import postgrad as pg
from postgrad.arm_kinds import ARM_KINDS, arm_kinds, meaning, plain_name
from postgrad.evaluation.arms import Arm, own_prompt
from postgrad.extensions import Given, in_call
from postgrad.progress import Progress
from postgrad.python.own import given_of
from tests.python.toys import installed, python
from tests.workflows.jobs import mails

SETTINGS = {"evaluation.general": False, "evaluation.perturb": False, "evaluation.curve": [], "training.max_steps": 2}


@pytest.fixture
def rows(tmp_path):
    return [json.loads(line) for line in mails(tmp_path / "mails.jsonl").read_text().splitlines()]


@pytest.fixture
def options(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return {"base": str(tiny_folder), "accept": ["too_little"], "settings": SETTINGS, "metric": "chrf"}


def politely(record):
    """Asked with a please."""
    return f"Please: {record.prompt_text}"


def as_messages(record):
    return [{"role": "system", "content": "Answer."}, *record.messages]


def first_progress(job):
    return next(e for e in job if isinstance(e, Progress) and e.unit == "answers")


def test_a_function_is_an_arm_of_the_call(rows, options):
    report = pg.run.events(rows, arms=["base", politely, as_messages], out="out", **options).result
    assert [a.name for a in report.arms] == ["base", "politely", "as_messages"]
    assert {(c.arm, c.against) for c in report.comparisons} >= {("politely", "base"), ("as_messages", "politely")}
    assert report.arm("politely").part.prompt_tokens_mean > report.arm("base").part.prompt_tokens_mean
    page = Path("out/report.html").read_text("utf-8")
    assert "Asked with a please" in page and "politely" in page
    assert report.recipe["evaluation"]["arms"] == ["base", "politely", "as_messages"]
    alone = pg.run.events(rows, arms=[politely], out="alone", **options).result
    assert "the arm politely" in alone.verdict.sentence
    with pytest.raises(pg.UsageError, match="there is no arm 'politely'"):
        pg.run.events(rows, arms=["politely"], **options)


def test_no_arm_sees_the_right_answer(rows, options):
    seen = []

    def spying(record):
        seen.append((record.answer_text, [m.role for m in record.messages]))
        return record.prompt_text

    pg.run.events(rows, arms=[spying], out="out", **options).result  # noqa: B018 - it is the work
    assert seen and set(map(str, seen)) == {str(("", ["user"]))}


def test_what_is_kept_is_of_the_same_questions(rows, options):
    """The same function again asks nothing; another one of that name asks everything anew."""

    def made(words):
        def asked(record):
            return f"{words} {record.prompt_text}"

        return asked

    results = [pg.run.events(rows, arms=[made(words)], out=words, **options).result for words in ("a", "b")]
    assert results[0].arm("asked").examples != results[1].arm("asked").examples
    begun = [first_progress(pg.run.events(rows, arms=[made(words)], out="out", **options)) for words in ("a", "b", "c")]
    assert [p.done == p.total for p in begun] == [True, True, False]


def test_a_kind_with_a_maker_may_be_of_the_trained_model(rows, options):
    def loud(making):
        assert making.examples.train
        return Arm("", True, lambda r: tuple(replace(m, content=m.content.upper()) for m in own_prompt(r)), "Loud.")

    def slow(making):
        yield from ()
        return "it is too slow"

    arms = ["base", "fine_tuned", pg.ArmKind("a shout", "in capitals", loud, trained=True), pg.ArmKind("", "", slow)]
    settings = {**SETTINGS, "decision.stop_early": False}
    report = pg.run.events(rows, arms=arms, out="out", **{**options, "settings": settings}).result
    assert [(a.name, a.trained) for a in report.arms] == [("base", False), ("fine_tuned", True), ("loud", True)]
    assert report.arm("loud").part.note == "Loud."
    assert [(o.name, o.reason) for o in report.left_out] == [("slow", "it is too slow")]


def test_evaluate_asks_base_models_so_too(rows, options, tiny_folder):
    report = pg.evaluate.events(rows, str(tiny_folder), arms=["base", politely], accept=["too_little"]).result
    assert [a.name.split(" @ ")[0] for a in report.arms] == ["base", "politely"]
    made = pg.ArmKind("made", "made", lambda making: "…", needs_examples=False)
    made.maker.__name__ = "made"
    for arms, words in (
        (["few_shot"], "made from training examples"),
        ([made], "made from training examples"),
        (["foo"], "There is no arm 'foo'"),
    ):
        with pytest.raises(pg.UsageError, match=words):
            _ = pg.evaluate.events(rows, str(tiny_folder), arms=arms, accept=["too_little"]).result


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (lambda r: 3, "failed at data:.*'int' object is not iterable"),
        (lambda r: [], "it gave"),
        (lambda r: [3], "it gave"),
        (lambda r: [{"content": "no role"}], "KeyError: 'role'"),
        (lambda r: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_faulty_function_is_told_by_name(rows, options, gives, words):
    def odd(record):
        return gives(record)

    with pytest.raises(pg.DataError, match=f"The arm 'odd' failed.*{words}|{words}"):
        _ = pg.run.events(rows, arms=[odd], out="out", **options).result


def test_what_is_no_arm_is_refused():
    def prompted(record):
        return ""

    def mine(record):
        return ""

    for arms, words in (
        ([prompted], "an arm named 'prompted' already"),
        ([mine, mine], "an arm named 'mine' already"),
        ([lambda record: ""], "requires a name"),
        ([3], "cannot be called"),
        ([pg.ArmKind("x", "y")], "cannot be called"),
        ([pg.ArmKind("x", "y", "a:b", ask=mine)], "both a maker and what it asks"),
        ([pg.ArmKind("x", "y", ask=mine, remote=True)], "is remote"),
    ):
        with pytest.raises(pg.UsageError, match=words):
            given_of(arms=arms)


def test_every_reader_of_the_table_knows_it():
    own = given_of(arms=["base", politely, pg.ArmKind("tuned so", "so", ask=as_messages, trained=True)])
    assert own.arms == ["base", "politely", "as_messages"]
    with in_call(own.given):
        assert list(arm_kinds()) == [*ARM_KINDS, "politely", "as_messages"]
        assert (
            plain_name("politely @ qwen") == "the arm politely on qwen" and meaning("politely") == "Asked with a please"
        )
    with in_call(Given()):
        assert plain_name("politely") == "politely" and list(arm_kinds()) == list(ARM_KINDS)


PLUGIN = '''
from dataclasses import replace
from postgrad.arm_kinds import ArmKind
from postgrad.evaluation.arms import Arm, own_prompt

def politely(record):
    """Asked with a please."""
    return f"Please: {record.prompt_text}"

def loud(making):
    return Arm("", False, lambda r: tuple(replace(m, content=m.content.upper()) for m in own_prompt(r)), "Loud.")

SHOUTED = ArmKind("a shouted prompt", "asked in capitals", "toy_plugin:loud")
NOWHERE = ArmKind("x", "y", "toy_plugin:nowhere")
THREE = 3
'''
POINTS = "[postgrad.arms]\npolitely = toy_plugin:politely\nshouted = toy_plugin:SHOUTED\n"


def test_an_installed_package_adds_arms(tmp_path, tiny_folder):
    data = mails(tmp_path / "mails.jsonl")
    site = installed(tmp_path / "site", POINTS, PLUGIN)
    command = ["-m", "postgrad", "run", data, "--base", tiny_folder, "--no-general", "--accept", "too_little", "--json"]
    command += ["--set", "evaluation.perturb=false", "--metric", "chrf"]
    done = python(site, tmp_path, *command, "--arms", "base,politely,shouted")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [(a["name"], a["note"]) for a in report["arms"]][2] == (
        "shouted",
        "Loud. Answers are held to the JSON schema of the right answers.",
    )
    assert len(report["comparisons"]) == 3
    assert "asked in capitals" in (tmp_path / "mails-report" / "report.html").read_text()
    alone = python(site, tmp_path, *command, "--arms", "shouted")
    assert "a shouted prompt" in json.loads(alone.stdout)["verdict"]["sentence"]
    usual = python(site, tmp_path, "-c", "import postgrad as pg; print(pg.Recipe().evaluation.arms)")
    assert "politely" not in usual.stdout, "an installed arm is measured where it is named"
    unknown = python(None, tmp_path, *command, "--arms", "base,politely")
    assert unknown.returncode == 2 and "there is no arm 'politely'" in unknown.stderr


@pytest.mark.parametrize(
    ("points", "arm", "message"),
    [
        ("base = toy_plugin:politely\n", "x", "postgrad already has one of that name"),
        ("x = toy_plugin:THREE\n", "x", "is 3: neither a function of a record nor an ArmKind"),
        ("x = toy_plugin:missing\n", "x", "cannot be loaded"),
        ("x-y = toy_plugin:politely\n", "x-y", "under a name that is none"),
        ("x = toy_plugin:NOWHERE\n", "x", "The maker of the arm 'x' (toy_plugin:nowhere) cannot be loaded"),
    ],
)
def test_a_faulty_package_is_refused_by_name(tmp_path, tiny_folder, points, arm, message):
    data = mails(tmp_path / "mails.jsonl")
    site = installed(tmp_path / "site", f"[postgrad.arms]\n{points}", PLUGIN)
    done = python(site, tmp_path, "-m", "postgrad", "run", data, "--base", tiny_folder, "--arms", arm, "--no-general")
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_two_packages_of_one_name_are_refused(tmp_path):
    for name in ("toy", "toy-too"):
        installed(tmp_path / "site", "[postgrad.arms]\nloud = toy_plugin:politely\n", PLUGIN, name)
    done = python(tmp_path / "site", tmp_path, "-c", "from postgrad.arm_kinds import arm_kinds; arm_kinds()")
    assert "toy 1.0" in done.stderr and "toy-too 1.0" in done.stderr and "the name must be unique" in done.stderr
