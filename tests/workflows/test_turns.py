"""Conversations are examined at every turn of the assistant, and their turns count as one in the statistics."""

import json

import pytest

from postgrad.evaluation import arms as ways
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.recipe import Recipe, merged
from postgrad.records import Conversation, Message, Task, pair, turns_of
from postgrad.report.results import read_results
from postgrad.steps.examples import MOST_TURNS, Examples
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.run import run
from tests.workflows.begun import begun
from tests.workflows.jobs import THINGS, finish, small
from tests.workflows.test_must_pass import QUICK

CALL = {"type": "function", "function": {"name": "find", "arguments": "{}"}}


def talk(n: int, turns: int = 3) -> Conversation:
    said = [Message("system", "Be brief.")]
    for turn in range(turns):
        said += [
            Message("user", f"{n}: question {turn} on {THINGS[n % 5]}"),
            Message("assistant", f"answer {n} {turn}"),
        ]
    return Conversation(messages=tuple(said))


def test_each_answer_is_a_turn_with_all_that_stood_before_it():
    cut = turns_of(talk(7))
    assert [r.answer_text for r in cut] == ["answer 7 0", "answer 7 1", "answer 7 2"]
    assert [len(r.prompt) for r in cut if isinstance(r, Conversation)] == [2, 4, 6] and cut[-1] == talk(7)
    one = pair("a", "b")
    task = Task(prompt=(Message("user", "u"), Message("assistant", "a"), Message("user", "v")), reference="r")
    assert turns_of(one) == (one,) and turns_of(task) == (task,)


def test_what_nobody_asked_and_what_is_not_trained_is_no_turn():
    greeting, ask, end = Message("assistant", "Hello!"), Message("user", "x"), Message("assistant", "y")
    skipped = Message("assistant", "wrong", weight=0)
    calling, result = Message("assistant", "", tool_calls=(CALL,)), Message("tool", "3")
    assert len(turns_of(Conversation(messages=(greeting, ask, end)))) == 1
    assert len(turns_of(Conversation(messages=(ask, skipped, ask, end)))) == 1
    assert len(turns_of(Conversation(messages=(ask, calling, result, end)))) == 1, "one metric cannot judge both"
    assert len(turns_of(Conversation(messages=(ask, calling, result, end, ask, calling)))) == 3
    assert len(turns_of(Conversation(messages=(ask, end, ask)))) == 1


def test_turns_of_a_conversation_are_one_unit_and_both_numbers_are_said():
    examples = Examples.of((), (), [*(talk(n) for n in range(8)), pair("alone", "yes")])
    assert len(examples.test) == 25 and examples.units == 9 and examples.largest_unit == 3
    assert examples.groups is not None and examples.groups[-1] is None and len(set(examples.groups[:3])) == 1
    assert examples.turns and "25 test examples are turns of 9 conversations" in examples.turns.sentence
    scores = [float(n % 2) for n in range(8) for _ in range(3)] + [1.0]
    grouped, alone = score_interval(scores, examples.groups), score_interval(scores)
    assert grouped.high - grouped.low > 1.4 * (alone.high - alone.low), "eight conversations are not 24 examples"
    plain = Examples.of((), (), [pair(f"question {THINGS[n % 5]} {n}", "a") for n in range(5)])
    assert plain.turns is None and len(plain.test) == 5


def test_a_group_column_joins_conversations():
    mine = [Conversation(messages=talk(n).messages, meta={"who": f"c{n // 2}"}) for n in range(4)]
    assert Examples.of((), (), mine, "who").groups == ("c0",) * 6 + ("c1",) * 6


@pytest.mark.parametrize(("turns", "room", "examined"), [(3, 1000, 30), (9, 1000, 40), (9, 25, 20), (3, 1, 10)])
def test_as_many_turns_as_there_is_time_for_the_last_of_each_among_them(turns, room, examined):
    talks = [talk(n, turns) for n in range(10)]
    examples = Examples.of((), (), talks, room=room)
    assert len(examples.test) == examined <= max(10, min(room, MOST_TURNS * 10))
    assert all(one in examples.test for one in talks) and examples == Examples.of((), (), talks, room=room)
    assert examples.turns and examples.turns.found == 10 * turns
    assert (f"of {10 * turns} in all" in examples.turns.sentence) == (examined < 10 * turns)


def test_a_turn_that_two_conversations_share_is_examined_once():
    start = talk(1, 2).messages
    two = [Conversation(messages=(*start, Message("user", q), Message("assistant", q.upper()))) for q in ("q", "r")]
    assert len(Examples.of((), (), two).test) == 4


def test_run_and_evaluate_examine_the_same_turns_and_show_training_conversations_alone(tiny_folder, tmp_path):
    path = tmp_path / "talks.jsonl"
    rows = [[m.to_dict() for m in talk(n, 2).messages[1:]] for n in range(60)]
    path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    recipe = small(tiny_folder, **QUICK, **{"evaluation.arms": ["base", "few_shot", "rag"], "data.test": 0.3})
    started = begun(recipe, path)
    whole = {r.prompt_text.split(":")[0] for r in started.examples.test}
    shown, _ = finish(started.making.shots())
    assert not isinstance(shown, str)
    assert not whole & {r.prompt_text.split(":")[0] for r in (*started.examples.train, *shown[0])}
    near = ways.rag_examples("", started.examples.train, _index(started.examples.train), 2)
    first = started.examples.test[0]
    asked = near.ask(first)
    assert all(m.content.split(":")[0] not in whole for m in asked[: -len(ways.own_prompt(first))] if m.role == "user")

    report, _ = finish(run(recipe, [path], tmp_path / "out"))
    data = report.data
    assert data.test_conversations and data.test == 2 * data.test_conversations == data.test_turns
    assert data.test_units == data.test_conversations
    assert any("turns of" in reason for reason in report.verdict.reasons)
    assert f"turns of {data.test_conversations} conversations" in (tmp_path / "out" / "report.html").read_text()
    lines = list(read_results(tmp_path / "out" / "results.jsonl"))
    assert len(lines) == data.test and len({line.group for line in lines}) == data.test_conversations

    own = tmp_path / "own.jsonl"
    own.write_text(
        "".join(json.dumps({"messages": row}) + "\n" for row in rows if row[0]["content"].split(":")[0] in whole)
    )
    wishes = merged(Recipe(), {"base": str(tiny_folder)})
    request = EvaluateRequest(wishes, [own], [str(tiny_folder)], ["base"])
    finish(evaluate(request, tmp_path / "again"))
    assert {line.hash for line in read_results(tmp_path / "again" / "results.jsonl")} == {line.hash for line in lines}


def _index(train):
    from postgrad.evaluation.retrieval import Index

    return Index([r.prompt_text for r in train])
