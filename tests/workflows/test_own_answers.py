"""Replay in a job: the shipped prompts, the base's answers to them (made once, resumed), and where it is on."""

import pytest

from postgrad.errors import Interrupted, UsageError
from postgrad.evaluation.battery import ASKED
from postgrad.evaluation.battery.open_questions import prompts_of
from postgrad.facts import load_facts
from postgrad.progress import Progress, Said, finished
from postgrad.recipe import Recipe, merged
from postgrad.records import pair
from postgrad.similarity.minhash import letter_shingles
from postgrad.similarity.near_duplicates import exact_key, find_similar, similarity
from postgrad.steps.context import RunContext
from postgrad.steps.fitting import own_answers as module
from postgrad.steps.fitting.own_answers import general_prompts, own_answers
from postgrad.steps.fitting.training import (
    SHORT,
    SHORT_REPLAY,
    USUAL_REPLAY,
    TrainingWork,
    plan_of,
    trained_model,
    training_work,
)
from postgrad.training.objectives.replay import CUT, replayed_count
from tests.workflows.jobs import finish

NEAR = 0.5
RECORDS = [pair(f"Order {i}, please", f"It is {i}") for i in range(12)]


def asked() -> list[str]:
    """Every question of the battery that is answered in words."""
    chat = prompts_of("chat")["prompts"]
    return [*chat, *(q.prompt for make in ASKED.values() for q in make().items)]


def shipped() -> list[str]:
    """Every text of a user in the shipped prompts."""
    return [m.content for prompt in general_prompts() for m in prompt if m.role == "user"]


def near_to_battery(texts):
    """Pairs that `similarity` finds close; it counts the same sequences of letters of short texts."""
    ours, theirs = ({t: letter_shingles(exact_key(t)) for t in some} for some in (texts, asked()))
    return [(a, b) for a, x in ours.items() for b, y in theirs.items() if len(x & y) >= NEAR * len(x | y)]


def test_no_shipped_prompt_is_nearly_a_question_of_the_battery():
    assert near_to_battery(shipped()) == []
    nearly = ["Is ice cold? Please answer only yes or no.", "Warum ist Schlaf wichtig für Menschen?"]
    found = near_to_battery(nearly)
    assert len(found) == 2 and all(similarity(*pair) >= NEAR for pair in found), "the rule can fail"


def test_the_shipped_prompts_are_many_and_varied():
    facts, prompts = load_facts("general_prompts"), general_prompts()
    languages = {k: v for k, v in facts.items() if isinstance(v, list) and isinstance(v[0], str)}
    assert len(prompts) >= 300 and len(languages) >= 11
    assert 0.35 < len(languages["en"]) / len(prompts) < 0.6
    assert sum(p[0].role == "system" for p in prompts) >= 10 and sum(len(p) == 3 for p in prompts) >= 10
    assert all(p[-1].role == "user" for p in prompts)
    assert all(m.weight == 0 for p in prompts for m in p if m.role == "assistant"), "our own words are not learned"
    texts = [p[-1].content for p in prompts]
    assert find_similar(texts, 0.8).clusters() == () and len(set(texts)) == len(texts)


@pytest.fixture
def short(monkeypatch):
    """Fewer tokens and smaller parts: the tiny model rarely ends an answer by itself."""
    monkeypatch.setattr(module, "TOKENS", 4)
    monkeypatch.setattr(module, "PART", 8)
    monkeypatch.setattr(module, "ASIDE", 3)


def test_the_base_answers_once_and_a_stopped_pass_goes_on(tiny, short):
    ctx = RunContext.of(Recipe(), lambda: False)
    stops = iter([False] * 5 + [True] * 99)
    with pytest.raises(Interrupted, match="replay"):
        finished(own_answers(RunContext.of(Recipe(), lambda: next(stops)), tiny, 40, 0.25, None))
    tiny.use(None)
    answers, events = finish(own_answers(ctx, tiny, 40, 0.25, None))
    assert len(answers.train) == 13 and len(answers.aside) == 3
    assert not {r.source for r in answers.train} & {r.source for r in answers.aside}
    assert any(r.meta[CUT] for r in answers.train), "a random model seldom stops"
    said = next(e.text for e in events if isinstance(e, Said))
    assert "13 of the base's own answers" in said and "cut at" in said
    fewer, events = finish(own_answers(ctx, tiny, 8, 0.25, None))
    assert fewer.train == answers.train[:3] and fewer.aside == answers.aside, "made once, for any number"
    assert [e.done for e in events if isinstance(e, Progress)] == [8]
    none, events = finish(own_answers(ctx, tiny, 8, 0.25, 9))
    assert none.train == none.aside == () and any("left out" in e.text for e in events if isinstance(e, Said))


def test_where_replay_is_on(tiny, short, tmp_path):
    """On in `run` for conversations, unless files are given or the recipe says otherwise; off in `train` and jobs."""
    section = Recipe().training
    assert plan_of(section, 0).base_replay is None, "settled once the steps are known"
    assert plan_of(section.model_copy(update={"base_replay": 0.0}), 0).base_replay == 0
    assert plan_of(section.model_copy(update={"replay": ["general.jsonl"]}), 0).base_replay == 0
    texts = merged(Recipe(), {"training.objective": "pretrain"})
    assert plan_of(texts.training, 0).base_replay is None
    dpo = merged(Recipe(), {"training.objective": "dpo"})
    assert plan_of(dpo.training, 0).base_replay == 0
    ctx = RunContext.of(Recipe(), lambda: False)
    assert finished_work(ctx, Recipe(), tiny).plan.base_replay == 0
    wanted = merged(Recipe(), {"training.base_replay": 0.3})
    assert finished_work(ctx, wanted, tiny).plan.base_replay == 0.3
    with pytest.raises(UsageError, match="base_replay mixes conversations into sft and pretrain; dpo"):
        merged(dpo, {"training.base_replay": 0.3})
    with pytest.raises(UsageError, match="exclude each other"):
        merged(wanted, {"training.replay": ["general.jsonl"]})


def test_replay_is_part_of_what_a_training_is_known_by(tiny, short):
    ctx = RunContext.of(Recipe(), lambda: False)
    wanted = {"training.rank": 2, "training.max_steps": 2, "training.base_replay": 0.5}
    plan = plan_of(merged(Recipe(), wanted).training, 0)
    work = TrainingWork(RECORDS[:8], RECORDS[8:], plan)
    result, _ = finish(trained_model(ctx, tiny, work))
    assert (result.part.examples, result.part.replayed) == (16, 8) and result.part.steps == 2
    again, events = finish(trained_model(ctx, tiny, work))
    for steps, share in ((SHORT - 1, SHORT_REPLAY), (SHORT, USUAL_REPLAY)):
        usual = plan.model_copy(update={"base_replay": None, "max_steps": steps, "epochs": 1000, "patience": 1})
        part = finish(trained_model(ctx, tiny, TrainingWork(RECORDS[:8], RECORDS[8:], usual)))[0].part
        assert part.settings["base_replay"] == share and part.replayed == replayed_count(8, share)
    assert again.blob == result.blob and any("reused" in e.text for e in events if isinstance(e, Said))
    without, _ = finish(trained_model(ctx, tiny, TrainingWork(RECORDS[:8], RECORDS[8:], off(plan))))
    assert without.part.replayed == 0 and without.blob != result.blob


def off(plan):
    return plan.model_copy(update={"base_replay": 0.0})


def finished_work(ctx, recipe, model):
    return finish(training_work(ctx, recipe, model, RECORDS[:8], RECORDS[8:]))[0]
