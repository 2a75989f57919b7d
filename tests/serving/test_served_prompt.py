"""What is served is asked as it was evaluated: the ids of every arm of a run equal those of the running server."""

import json

import openai
import pytest

from postgrad.evaluation.arms import few_shot, own_prompt
from postgrad.evaluation.measure import ids_hash
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.evaluation.retrieval import Passage
from postgrad.recipe import Recipe, merged
from postgrad.records import Message, tools_of
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.steps.arms.making import fine_tuned_arms, untrained_arms
from postgrad.steps.arms.named_models import contestants, named_models
from postgrad.workflows.run import run
from tests.conftest import write_model
from tests.serving.loopback import running
from tests.workflows.begun import begun
from tests.workflows.jobs import finish

THINGS = ["Haven sofa", "Lumen lamp", "Oslo desk", "Birch bed"]
TOPICS = ["warranty", "delivery", "care", "size"]
TOOL = {
    "type": "function",
    "function": {"name": "find_order", "description": "By number.", "parameters": {"type": "object", "properties": {}}},
}


def row(i: int) -> dict:
    """One example: a single turn, three turns whose last says nothing of the matter, or one with a tool."""
    thing, topic = THINGS[i % 4], TOPICS[i // 4 % 4]
    long = " My order list: " + ", ".join(f"{n} x {i + n}" for n in range(36)) if i % 5 == 4 else ""
    text = f"Order {100 + 7 * i}: I have a question about the {topic} of the {thing}.{long}"
    first = {"role": "user", "content": text}
    answer = {"role": "assistant", "content": f"{topic} {i % 4}"}
    if i % 3 == 1:
        between = [
            {"role": "assistant", "content": "Of course. Is it the new one?"},
            {"role": "user", "content": f"Yes, number {i}. And how long does it take?"},
        ]
        return {"messages": [first, *between, answer]}
    return {"messages": [first, answer], **({"tools": [TOOL]} if i % 3 == 2 else {})}


@pytest.fixture
def files(tmp_path):
    data = tmp_path / "talks.jsonl"
    data.write_text("".join(json.dumps(row(i)) + "\n" for i in range(60)))
    docs = tmp_path / "docs"
    docs.mkdir()
    for i, thing in enumerate(THINGS):
        for j, topic in enumerate(TOPICS):
            words = " ".join(f"{topic}{k} {thing.split()[0].lower()}" for k in range(16 + 3 * (i + j)))
            (docs / f"{i}{j}.md").write_text(f"# {thing}: {topic}\n\nThe {topic} of the {thing}: {words}.")
    (docs / "time.md").write_text("# How long it takes\n\nHow long does it take? It takes as long as it takes, yes.")
    return data, docs


def asked_by_run(home) -> set[str]:
    """Hashes of the prompts whose answers the run has kept."""
    lines = [line for p in (home / "runs").parent.rglob("answers/*.jsonl") for line in p.read_text().splitlines()]
    return {json.loads(line)["prompt"] for line in lines}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("base") / "base", context=800)


@pytest.mark.parametrize("system", [None, "Answer with the topic and the number of the thing, nothing else."])
def test_the_ids_of_every_arm_are_those_of_the_server(files, tmp_path, base, own_home, monkeypatch, system):
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    data_file, docs = files
    changes = {"base": str(base), "name": "talks", "training.epochs": 1, "training.max_steps": 2}
    changes |= {"evaluation.docs": str(docs), "evaluation.general": False, "data.system_prompt": system}
    changes |= {"data.accept": ["near_duplicates", "contradictions"]}
    changes |= {"evaluation.arms": ["base", "prompted", "rag", "fine_tuned", "fine_tuned+rag"]}
    recipe = merged(Recipe(), changes)
    finish(run(recipe, [data_file], tmp_path / "out"))
    started = begun(recipe, data_file)
    model, examples, arms = started.model, started.examples, recipe.evaluation.arms
    untrained, _ = finish(untrained_arms(started.making, arms))
    trained, _ = finish(fine_tuned_arms(started.making, arms))
    shown = few_shot(started.task.instruction, examples.train[:1])
    kept = {key[: len(ids_hash([]))] for key in asked_by_run(own_home)}  # those held to a form have that behind
    shapes, cut = set(), 0
    with running(make_app(Engine(Catalogue(), [str(base)]))) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60)

        def served(name, messages, record):
            wire = [{"role": m.role, "content": m.content} for m in messages]
            tools = list(tools_of(record)) or openai.omit
            wish = {"postgrad": {"prompt_ids": True}}
            out = client.chat.completions.create(model=name, messages=wire, tools=tools, max_tokens=1, extra_body=wish)
            assert out.usage.prompt_tokens == len(out.postgrad["prompt_token_ids"])
            return out.postgrad["prompt_token_ids"], out.postgrad["as_evaluated"]

        for record in examples.test:
            shapes.add((len(own_prompt(record)), bool(tools_of(record))))
            for arm in [*untrained, shown]:
                expected = model.renderer.prompt_ids(arm.ask(record), tools_of(record))
                if len(expected) < 800:
                    assert served(str(base), arm.ask(record), record)[0] == expected, arm.name
                assert ids_hash(expected) in kept or arm is shown, arm.name
            for arm in trained:
                name = arm.name.replace("fine_tuned", "talks@1")
                ids, as_evaluated = served(name, own_prompt(record), record)
                assert ids == model.renderer.prompt_ids(arm.ask(record), tools_of(record)), arm.name
                assert ids_hash(ids) in kept and as_evaluated, arm.name
        evaluated = contestants(named_models(["talks"], Catalogue()), None, None, None, started.ctx.blobs)
        for made in evaluated:
            arm = made.make(model.renderer, 8)
            for record in examples.test:
                ids = model.renderer.prompt_ids(arm.ask(record), tools_of(record))
                assert ids == served(made.name, own_prompt(record), record)[0], made.name
        cut = any(arm.remark() for arm in trained)
        other = [{"role": "system", "content": "Talk like a pirate."}, {"role": "user", "content": "Hi"}]
        wish = {"postgrad": {"prompt_ids": True}}
        out = client.chat.completions.create(model="talks@1", messages=other, max_tokens=1, extra_body=wish)
        assert out.postgrad["as_evaluated"] is False
        stream = client.chat.completions.create(
            model="talks@1", messages=other, max_tokens=1, stream=True, extra_body=wish
        )
        assert next(iter(stream)).postgrad["prompt_token_ids"] == out.postgrad["prompt_token_ids"]
    assert cut, "some passages did not fit whole"
    assert {1, 3} <= {count - bool(system) for count, _ in shapes} and {True, False} == {tools for _, tools in shapes}


def test_passages_make_way_for_a_longer_answer_and_that_is_said(tiny):
    """A client that wants more tokens than the evaluation left free gets shorter passages, not a refusal."""
    passages = [Passage("first " * 30, "a"), Passage("second " * 30, "b")]
    builder = PromptBuilder(tiny.renderer, None, lambda question: passages, 40)
    usual = builder.build([Message("user", "Where?")], room=30)
    longer = builder.build([Message("user", "Where?")], room=350)
    assert usual.as_evaluated and usual.ids == builder.build([Message("user", "Where?")]).ids
    assert not longer.as_evaluated and longer.shortened and len(longer.ids) + 350 <= tiny.renderer.context
    assert "first" in longer.messages[-1].content
