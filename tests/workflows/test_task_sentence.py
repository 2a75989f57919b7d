"""The base is asked what the task is where nobody says it, and believed only as far as validation bears it out."""

import pytest

from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.progress import Said
from postgrad.records import pair
from postgrad.steps import task_sentence
from postgrad.steps.examples import TaskSpec
from postgrad.steps.task_sentence import BY_BASE, FEWEST, told_by_base, with_sentence
from postgrad.steps.unsaid_task import unsaid
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import finish, small
from tests.workflows.test_must_pass import QUICK

SENTENCE = "Say in German what happened to the shop."
TRAIN = [
    pair(f"The shop {n} closed", f"Der Laden {n} in der Straße hat heute früher zu als gestern") for n in range(20)
]


def task() -> TaskSpec:
    return TaskSpec(choose_metric(TRAIN), "Answer in about 12 words.", own_instruction=False, named=False)


@pytest.mark.parametrize(
    ("gains", "kept", "told"),
    [
        ([0.1] * FEWEST + [0.2], True, True),
        ([0.5, -0.4] * FEWEST, True, False),
        ([-0.01] * FEWEST + [0.0], False, False),
        ([0.5] * (FEWEST - 1), False, False),
    ],
)
def test_a_sentence_that_harms_is_dropped_and_only_one_that_clearly_helps_tells_the_rivals(gains, kept, told):
    untold = task()
    found = with_sentence(untold, TRAIN, SENTENCE, gains)
    assert (found.written_by == BY_BASE) == kept == (SENTENCE in found.instruction) and found.named == told
    assert with_sentence(untold, TRAIN, "", gains) == untold and kept == (found != untold)


@pytest.fixture
def prose(tmp_path):
    path = tmp_path / "prose.csv"
    rows = [
        f"The shop {n} in street {n * 7} closed earlier,Der Laden {n} hat heute wegen Regens viel früher zu"
        for n in range(90)
    ]
    path.write_text("\n".join(["english,german", *rows]) + "\n")
    return path


def test_the_base_is_asked_once_and_the_report_shows_its_sentence(tiny_folder, tmp_path, prose, monkeypatch):
    asked = []

    def written(ask, records):
        asked.append(ask([[{"role": "user", "content": "x"}], [{"role": "user", "content": "x " * 600}]]))
        return SENTENCE

    monkeypatch.setattr(task_sentence, "written_by", written)
    monkeypatch.setattr(
        task_sentence, "mean_logprobs", lambda model, pairs: [float(SENTENCE in m[0].content) for m, _ in pairs]
    )
    recipe = small(tiny_folder, **QUICK, **{"evaluation.arms": ["base", "prompted"]})
    report, events = finish(run(recipe, [prose], tmp_path / "out"))
    assert report.task.sentence == SENTENCE and report.task.written_by == BY_BASE
    assert report.system_prompt.startswith(SENTENCE) and asked[0][1] == "", "no room for the second"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "written by the base, for you to approve" in page and SENTENCE in page
    started = begun(recipe, prose)
    again, _ = finish(told_by_base(started.ctx, started.model, started.task, started.examples))
    assert again.sentence == SENTENCE and len(asked) == 1, "what was asked is kept"
    warned = [e.text for e in events if isinstance(e, Said) and e.warning]
    assert task_sentence.UNTOLD not in warned

    monkeypatch.setattr(
        task_sentence, "mean_logprobs", lambda model, pairs: [-float(SENTENCE in m[0].content) for m, _ in pairs]
    )
    started = begun(recipe.model_copy(update={"seed": 1}), prose)
    found, events = finish(told_by_base(started.ctx, started.model, started.task, started.examples))
    assert found == started.task and not found.sentence
    assert [e.text for e in events if isinstance(e, Said) and e.warning] == [task_sentence.UNTOLD]


def test_what_a_person_is_shown(tiny_folder, prose):
    recipe = small(tiny_folder)
    assert len(unsaid(recipe, [prose])) == 3
    assert unsaid(small(tiny_folder, **{"data.task": "Translate."}), [prose]) == []
    assert unsaid(small(tiny_folder, **{"data.system_prompt": ""}), [prose]) == []
