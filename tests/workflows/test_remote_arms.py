"""Remote models in a whole job: measured like every arm, paid once, and an arm that breaks costs itself alone."""

from __future__ import annotations

import json

import pytest

from postgrad.arm_kinds import is_remote, plain_name, retrieves
from postgrad.errors import ModelError
from postgrad.evaluation.measure import Answers
from postgrad.progress import Said
from postgrad.recipe import Recipe, merged
from postgrad.workflows.run import run
from tests.workflows.jobs import finish
from tests.workflows.remote_server import Server

THINGS = ["sofa", "lamp", "desk", "bed", "shelf", "stool"]
ENDS = {"is broken": "damaged", "never came": "status", "is too big": "return"}


def label_of(messages) -> str:
    """What a good model would say, in other letters and with a full stop."""
    asked = messages[-1]["content"]
    return next((f"{label.upper()}." for words, label in ENDS.items() if words in asked), "?")


@pytest.fixture
def server():
    running = Server(label_of)
    yield running
    running.stop()


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    made = [
        {"mail": f"my {thing} number {1000 + 7 * i} {words}", "answer": label}
        for i in range(5)
        for thing in THINGS
        for words, label in ENDS.items()
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in made))
    return path


def recipe_of(tiny_folder, **evaluation) -> Recipe:
    chosen = {"arms": ["prompted", "remote"], "general": False, **evaluation}
    return merged(Recipe(), {"base": str(tiny_folder), **{f"evaluation.{k}": v for k, v in chosen.items()}})


def warnings(events) -> str:
    return "\n".join(e.text for e in events if isinstance(e, Said) and e.warning)


def test_a_remote_arm_is_measured_like_the_others(server, rows, tiny_folder, tmp_path):
    recipe = recipe_of(tiny_folder, remote=[f"{server.url}#big"], remote_price=["1,10"], remote_budget_usd=5)
    report, _ = finish(run(recipe, [rows], tmp_path / "out"))
    arm = {a.name: a for a in report.arms}["remote"]
    assert arm.score == 1.0 and arm.n == report.data.test, "labels in other letters are the same labels"
    assert arm.model == f"{server.url}#big" and (arm.prompt_tokens_mean, arm.completion_tokens_mean) == (100, 10)
    assert arm.cost_per_1000 == pytest.approx(1000 * (100 * 1 + 10 * 10) / 1e6) and arm.latency_ms_p50 > 0
    assert report.verdict.recommendation == "remote" and "the remote model" in report.verdict.sentence
    assert any("1 USD for a million tokens in, 10 out: as given" in a for a in report.cost.assumptions)
    assert server.asked[0]["messages"][0] == {"role": "system", "content": report.system_prompt}
    asked = len(server.asked)
    again, _ = finish(run(recipe, [rows], tmp_path / "out"))
    assert len(server.asked) == asked == report.data.test and again.arms == report.arms, "nothing is paid twice"


def test_several_remote_models_and_no_price(server, rows, tiny_folder, tmp_path):
    recipe = recipe_of(tiny_folder, remote=[f"{server.url}#big", f"{server.url}#small"])
    report, _ = finish(run(recipe, [rows], tmp_path / "out"))
    arms = {a.name: a for a in report.arms}
    assert arms.keys() == {"prompted", "remote:big", "remote:small"} and arms["remote:big"].cost_per_1000 is None
    assert "remote:big" not in report.cost.per_1000
    assert sum("No price of" in a for a in report.cost.assumptions) == 2
    assert "remote:small" in (tmp_path / "out" / "report.html").read_text()


def test_a_server_that_dies_half_way_costs_its_arm_alone(server, rows, tiny_folder, tmp_path):
    server.dies_after = 7
    recipe = recipe_of(tiny_folder, remote=[f"{server.url}#big"])
    report, events = finish(run(recipe, [rows], tmp_path / "out"))
    assert [a.name for a in report.arms] == ["prompted"] and report.verdict.recommendation != "remote"
    assert [p.name for p in report.left_out] == ["remote"] and "503" in report.left_out[0].reason
    assert "left out of the comparison" in warnings(events)
    assert "503" in (tmp_path / "out" / "report.html").read_text()
    server.dies_after, before = None, len(server.asked)
    whole, _ = finish(run(recipe, [rows], tmp_path / "out"))
    assert whole.left_out == [] and {a.name: a.score for a in whole.arms}["remote"] == 1.0
    assert len(server.asked) - before == report.data.test - 7, "the seven answers are not paid again"


def test_a_budget_that_ends_is_said_and_the_same_command_goes_on(server, rows, tiny_folder, tmp_path):
    recipe = recipe_of(tiny_folder, remote=[f"{server.url}#big"], remote_price="10,10", remote_budget_usd=0.005)
    server.tokens = (40, 5)  # a server that counts fewer than expected: the budget must hold, and be used
    spent = []
    for _ in range(6):
        before = len(server.asked)
        report, _ = finish(run(recipe, [rows], tmp_path / "out"))
        spent.append((len(server.asked) - before) * 45 * 10 / 1e6)
        if not report.left_out:
            break
        assert "budget of 0.005 USD was used up after" in report.left_out[0].reason
    assert len(spent) > 1 and max(spent) <= 0.005 and len(server.asked) == report.data.test
    assert "remote" in {a.name for a in report.arms}


def test_nothing_but_a_dead_remote_arm_is_an_error(server, rows, tiny_folder, tmp_path):
    server.dies_after = 0
    with pytest.raises(ModelError, match="No arm could be measured"):
        finish(run(recipe_of(tiny_folder, arms=["remote"], remote=[f"{server.url}#big"]), [rows], tmp_path / "out"))


def test_adding_an_arm_asks_nothing_again_for_the_others(server, rows, tiny_folder, tmp_path, monkeypatch):
    kept = []
    real = Answers.keep
    monkeypatch.setattr(Answers, "keep", lambda self, h, c: (kept.append(h), real(self, h, c))[1])
    few = recipe_of(tiny_folder, arms=["base", "prompted"])
    first, _ = finish(run(few, [rows], tmp_path / "out"))
    before = len(kept)
    more = recipe_of(tiny_folder, arms=["base", "prompted", "remote"], remote=[f"{server.url}#big"])
    second, _ = finish(run(more, [rows], tmp_path / "out"))
    assert len(kept) == before and len(server.asked) == first.data.test
    assert [a for a in second.arms if a.name != "remote"] == first.arms
    searched = recipe_of(tiny_folder, arms=["base", "prompted", "optimised_prompt"])
    third, _ = finish(run(searched, [rows], tmp_path / "out"))
    assert len(server.asked) == first.data.test
    assert [a for a in third.arms if a.name != "optimised_prompt"] == first.arms


def test_a_remote_model_is_asked_in_every_way_of_the_local_one(server, rows, tiny_folder, tmp_path):
    """A rival with the instruction alone is a weak one; examples and neighbours are sent as the base gets them."""
    arms = ["prompted", "few_shot", "rag", "remote"]
    recipe = recipe_of(tiny_folder, arms=arms, remote=[f"{server.url}#big"], remote_price=["1,10"])
    report, _ = finish(run(recipe, [rows], tmp_path / "out"))
    names = [a.name for a in report.arms]
    assert names == ["prompted", "few_shot", "rag", "remote", "remote+few_shot", "remote+rag"]
    test = report.data.test
    alone, few, near = (
        {m[-1]["content"]: m[:-1] for m in (b["messages"] for b in server.asked[i * test : (i + 1) * test])}
        for i in range(3)
    )
    assert alone.keys() == few.keys() == near.keys() and len(alone) == test
    for request in alone:
        assert [m["role"] for m in alone[request]] == ["system"]
        assert few[request][0] == near[request][0] == alone[request][0] and len(few[request]) > 4
        assert few[request][1:] != near[request][1:] and few[request][2]["role"] == "assistant"
    assert len({json.dumps(m) for m in few.values()}) == 1 < len({json.dumps(m) for m in near.values()})
    assert all(a.score == 1 for a in report.arms if a.name.startswith("remote"))
    assert plain_name("remote:big+rag") == "the remote model big with retrieval (RAG)" and retrieves("remote+rag")
    assert not retrieves("remote+few_shot") and not retrieves("remote") and is_remote("remote:big+rag")


def test_free_text_needs_a_task_and_a_remote_model_says_it(server, tiny_folder, tmp_path):
    """Without a sentence no rival is told what to do; a remote rival is asked for it once, from training examples."""
    data = tmp_path / "texts.jsonl"
    texts = [(f"The shop {n} closed early today.", f"Der Laden {n} hat heute früh zu.") for n in range(60)]
    data.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in texts))
    recipe = recipe_of(tiny_folder, arms=["prompted"])
    report, events = finish(run(recipe, [data], tmp_path / "untold"))
    assert "--task" in warnings(events) and report.system_prompt.startswith("Answer in about")
    assert any("does not say what the task is" in reason for reason in report.verdict.reasons)
    told = merged(recipe, {"data.task": "Translate to German."})
    report, events = finish(run(told, [data], tmp_path / "told"))
    assert report.system_prompt.startswith("Translate to German. Answer in about") and "--task" not in warnings(events)
    assert not any("does not say what the task is" in reason for reason in report.verdict.reasons)
    server.say = lambda messages: "Translate into German, please." if "one task" in messages[0]["content"] else "?"
    far = recipe_of(tiny_folder, remote=[f"{server.url}#big"])
    report, _ = finish(run(far, [data], tmp_path / "far"))
    assert report.system_prompt.startswith("Translate into German, please. Answer in about")
    assert server.asked[1]["messages"][0]["content"] == report.system_prompt
