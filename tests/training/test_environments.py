"""Environments: tools are called and answered in turns, only what the model sampled is trained, faults and endless
episodes are counted, and a killed training goes on to the same weights. The calls are the model's own: it was taught
them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from postgrad.errors import DataError, Interrupted, UsageError
from postgrad.models.adapters.lora import attach
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.generation.generate import Decoding
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.tool_turns import ids_after_call
from postgrad.models.rendering.tools import Call
from postgrad.progress import finished
from postgrad.recipe import make_recipe
from postgrad.records import Conversation, Message, Source, Task
from postgrad.steps.fitting.environment import environment_of
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward, learned
from postgrad.training.methods import Attached
from postgrad.training.objectives import make_objective
from postgrad.training.objectives.base import Setup, Start
from postgrad.training.objectives.grpo import Grpo, GrpoOptions
from postgrad.training.parallel import World
from postgrad.training.sampled.attempt import as_json, of_json
from postgrad.training.sampled.environment import Beside, Environment
from postgrad.training.sampled.turns import play
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.conftest import write_model
from tests.training import environments
from tests.training.test_dpo import ended
from tests.training.test_grpo import plain
from tests.training.test_training import gradients

TASKS = [
    Task(prompt=(Message("user", f"Count {word}."),), source=Source("t.jsonl", n + 1))
    for n, word in enumerate(("sofas", "lamps", "orders", "tables", "chairs", "beds"))
]
ROOM = 160


def environment(name="Counter"):
    return Environment(getattr(environments, name), name)


def calling(number):
    return {"id": "call00001", "type": "function", "function": {"name": "add", "arguments": f'{{"number": {number}}}'}}


def lessons():
    """What the model is taught: to call `add` with 1 or 2, to say `done` after a number, to call again after
    `again`."""
    tools = environment().tools
    for task in TASKS:
        for number in (1, 2):
            called = Message("assistant", "", tool_calls=(calling(number),))
            asked = replace(task.prompt[0], weight=0.0)
            for result, last in ((str(number), "done"), ("Error: ValueError: no more room", "done")):
                told = Message("tool", result, name="add", tool_call_id="call00001")
                yield Conversation(messages=(asked, called, told, Message("assistant", last)), tools=tools)
            again = Message("tool", "again", name="add", tool_call_id="call00001")
            yield Conversation(messages=(asked, called, again, called, again, called), tools=tools)


@pytest.fixture(scope="module")
def caller_folder(tmp_path_factory):
    """A tiny model that has learned to call a tool."""
    folder = write_model(tmp_path_factory.mktemp("caller") / "caller", hidden=64, context=1024)
    with torch.random.fork_rng():
        model = loaded(folder)
        torch.manual_seed(0)
        examples = [model.renderer.render(lesson) for lesson in lessons()]
        module = model.module.train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
        pad = max(len(e.ids) for e in examples)
        ids = torch.tensor([[*e.ids, *[2] * (pad - len(e.ids))] for e in examples])
        weights = torch.tensor([[*e.weights, *[0.0] * (pad - len(e.weights))] for e in examples])
        for _ in range(90):
            drawn = torch.randint(len(examples), (6,))
            logits = module(ids[drawn]).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[drawn, 1:].flatten(), reduction="none")
            wanted = weights[drawn, 1:].flatten()
            ((loss * wanted).sum() / wanted.sum()).backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        module.eval().save_pretrained(folder)
    return folder


def loaded(folder):
    return LanguageModel(find_model(str(folder)), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))


@pytest.fixture
def caller(caller_folder):
    return loaded(caller_folder)


def prompts_of(model, name="Counter", tasks=TASKS):
    objective = grpo(model, name)
    return objective.prepare(tasks).examples


def grpo(model, name="Counter", **options):
    setup = Setup(model.renderer, beside=Beside(environment=environment(name)))
    return Grpo(setup, GrpoOptions(environment=f"x.py:{name}", **{"samples": 4, "answer_tokens": ROOM, **options}))


def played(model, name="Counter", tasks=TASKS[:2], turns=4, temperature=1.0, tokens=ROOM):
    seeds = [[10 * n + k for k in range(4)] for n in range(len(tasks))]
    decoding = Decoding(tokens, temperature)
    return play(model, environment(name), prompts_of(model, name, tasks), seeds, decoding, turns)


def test_a_call_is_made_answered_and_gone_on_with(caller):
    episodes = [e for group in played(caller) for e in group]
    good = [e for e in episodes if e.calls == 1 and e.finished]
    assert len(good) >= 6, [caller.renderer.decode(e.ids, special=True) for e in episodes]
    for episode in good:
        text = caller.renderer.decode(episode.ids, special=True)
        assert text.startswith("<tool_call>\n") and text.endswith("<|im_end|>") and episode.said == "done"
        number = int(text.split('"number": ')[1][0])
        assert f"<|im_start|>tool\n{number}<|im_end|>\n<|im_start|>assistant\n" in text
        assert episode.graded.reward == number and episode.turns == 2 and episode.failures == 0


def test_what_is_trained_is_what_the_model_sampled_and_nothing_else(caller):
    for episode in (e for group in played(caller) for e in group if e.calls and e.finished):
        own = caller.renderer.decode([i for i, w in zip(episode.ids, episode.weights, strict=True) if w], special=True)
        others = caller.renderer.decode(
            [i for i, w in zip(episode.ids, episode.weights, strict=True) if not w], special=True
        )
        assert own.endswith("</tool_call><|im_end|>done<|im_end|>") and "tool\n" not in own
        assert others.startswith("\n<|im_start|>tool\n") and others.endswith("<|im_start|>assistant\n")


def test_what_is_shown_is_what_the_template_writes_of_the_whole_conversation(caller):
    """A sampled conversation, read back and rendered, is the same tokens."""
    episode = next(e for g in played(caller, temperature=0.0) for e in g if e.finished and e.calls == 1)
    text = caller.renderer.decode(episode.prompt + episode.ids, special=True)
    number = int(text.split('"number": ')[-1][0])
    told = Message("tool", str(number), name="add", tool_call_id="call00001")
    called = Message("assistant", "", tool_calls=(calling(number),))
    whole = caller.renderer.render(
        Conversation(messages=(*TASKS[0].prompt, called, told, Message("assistant", "done")), tools=environment().tools)
    )
    assert list(whole.ids[: len(episode.prompt + episode.ids)]) == list(episode.prompt + episode.ids)


def test_answers_depend_on_their_seeds_alone(caller):
    together = played(caller)
    prompts = prompts_of(caller, tasks=TASKS[:2])
    alone = [
        [play(caller, environment(), [p], [[10 * n + k]], Decoding(ROOM, 1.0), 4)[0][0] for k in range(4)]
        for n, p in enumerate(prompts)
    ]
    assert [[e.ids for e in group] for group in together] == [[e.ids for e in group] for group in alone]
    assert play(caller, environment(), prompts, [[0], [1]], Decoding(ROOM, 1.0), 4, lambda: True) is None


def test_an_environment_that_never_ends_is_cut_and_counted(caller):
    episodes = [e for group in played(caller, "Endless", turns=3, temperature=0.0, tokens=400) for e in group]
    assert all(e.unended and not e.finished and e.turns == 3 and e.calls == 2 for e in episodes)
    assert all(e.graded.reward == 2 for e in episodes), "what was reached counts"
    short = [e for group in played(caller, "Endless", turns=50, temperature=0.0) for e in group]
    assert all(len(e.ids) <= ROOM and not e.finished for e in short), "and so is one without room"


def test_a_tool_that_raises_tells_the_model_and_is_counted(caller):
    episodes = [e for group in played(caller, "Faulty", temperature=0.0) for e in group]
    text = caller.renderer.decode(episodes[0].ids, special=True)
    assert "<|im_start|>tool\nError: ValueError: no more room<|im_end|>" in text
    assert all(e.failures == e.calls == 1 and e.graded == episodes[0].graded for e in episodes)
    made, _ = environment().begin(TASKS[0])
    assert made.call(Call("add", "[1]")) == ("Error: TypeError: the arguments are no JSON object", True)
    assert made.call(Call("add", '{"numbr": 1}'))[1] and made.call(Call("add", "{"))[1]
    assert made.call(Call("add", '{"number": 2}')) == ("2", False)
    broken, _ = environment("Broken").begin(TASKS[0])
    assert broken.graded().fault == "Broken.get_reward gave no finite number"


def test_reset_may_add_to_the_request_and_gets_the_fields_that_it_names(caller):
    task = replace(TASKS[0], fields={"start": 7, "other": "x"}, reference="r")
    made, shown = environment().begin(task)
    assert made.made.total == 7 and shown.prompt[-1].content == "Count sofas. Begin at 7."
    (episode,) = played(caller, tasks=[task])[0][:1]
    assert "Count sofas. Begin at 7." in caller.renderer.decode(episode.prompt)
    with pytest.raises(DataError, match=r"1 of 2 tasks lack fields that Picky.reset requires: t.jsonl:2 has no secret"):
        environment("Picky").refuse_unfit([replace(TASKS[0], fields={"secret": "s"}), TASKS[1]])
    with pytest.raises(DataError, match=r"t.jsonl:1: Picky cannot be reset: TypeError: .* 'secret'"):
        environment("Picky").begin(TASKS[0])


@pytest.mark.parametrize(
    ("name", "words"),
    [("NoTools", "no public method that could be a tool"), ("Untold", "'look' .* is not described: .*place")],
)
def test_a_class_that_is_no_environment_is_refused(name, words):
    with pytest.raises(UsageError, match=words):
        environment(name)


def test_a_file_of_the_users_runs_only_where_it_may():
    path = Path(environments.__file__)
    settings = make_recipe({"training": {"objective": "grpo", "environment": f"{path}:Counter"}}).training
    with pytest.raises(UsageError, match="a program that would run on this machine"):
        environment_of(settings, TASKS, own_code=False)
    found = environment_of(settings, TASKS, own_code=True)
    assert found is not None and [t["function"]["name"] for t in found[0].tools] == ["add"]
    assert found[0].tools[0]["function"]["parameters"]["required"] == ["number"]
    for named, words in (
        (f"{path}:Missing", "has no class 'Missing'"),
        ("nowhere.py:X", "is not there"),
        (str(path), "path/to/file.py:Class"),
    ):
        settings = make_recipe({"training": {"objective": "rloo", "environment": named}}).training
        with pytest.raises(UsageError, match=words):
            environment_of(settings, TASKS, own_code=True)
    with pytest.raises(UsageError, match="leave the grader or the environment out"):
        make_recipe({"training": {"objective": "grpo", "grader": "numeric", "environment": "a.py:B"}})


def test_the_gradient_is_that_of_the_sampled_tokens(caller, tmp_path):
    objective = grpo(caller, beta=0.0)
    layers = attach(caller.module, rank=4, alpha=8, seed=0)
    forward = Forward(caller)
    prompts = objective.prepare(TASKS[:3]).examples
    forward.choose([s for p in prompts for s in objective.sequences(p)])
    start = Start(forward, Attached(lambda: None, layers), World(), RunFolder(tmp_path), {}, 300, 0, lambda: False)
    ended(objective.begin(start, prompts, prompts[:1]))
    batch = objective.batch(prompts, 1)
    assert any(a.advantage for a in batch)
    masked = [a for a in batch if 0.0 in a.weights[learned(a)[0] :]]
    assert masked, "answers with a tool's words between their own"
    assert [of_json(as_json(a)) for a in batch] == batch
    for part in microbatches(batch, 900):
        value = objective.loss(forward, part)
        if value.requires_grad:
            (value / len(batch)).backward()
    ours = gradients(caller.module)
    caller.module.zero_grad()
    total = 0.0
    for attempt in batch:
        logps = plain(caller, attempt, 1.0)
        total = total - attempt.advantage * logps.sum() / len(logps)
    (total / len(batch)).backward()
    theirs = gradients(caller.module)
    assert ours.norm() > 1e-4 and torch.allclose(ours, theirs, atol=2e-4 * theirs.abs().max().item())


def go(model, folder, stopped=lambda: False, objective="grpo", name="Counter", **changes):
    settings = {
        "objective": objective,
        "environment": f"x.py:{name}",
        "rank": 4,
        "alpha": 8,
        "batch_size": 4,
        "samples": 4,
        "answer_tokens": ROOM,
        "max_turns": 3,
        "epochs": 2,
        "learning_rate": 5e-3,
        "token_budget": 2000,
        "patience": 99,
        "guards": "warn",
    }
    plan = Plan(**{**settings, **changes})
    beside = Beside(environment=environment(name))
    work = train(model, TASKS[:4], TASKS[4:], plan, RunFolder(folder), {"data": "x"}, stopped, beside=beside)
    return finished(work)


@pytest.mark.parametrize("objective", ["grpo", "rloo"])
def test_what_brings_more_is_learned(caller, tmp_path, objective):
    part = go(caller, tmp_path, objective=objective, epochs=7, samples=8, learning_rate=4e-3).part
    rewards = [value for _, value in part.metrics["reward"]]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:2]) / 2 + 0.15, rewards
    assert {"turns/mean", "turns/unended", "tools/call_frequency"} <= set(part.metrics)
    assert "of the answers still called tools when their turns were used up" in part.in_words


@pytest.mark.parametrize("repeats", [1, 2])
def test_stopped_anywhere_it_ends_with_the_same_weights(caller_folder, tmp_path, repeats):
    settings = {"repeats": repeats, "beta": 0.1}
    whole = go(loaded(caller_folder), tmp_path / "whole", **settings).trained.tensors
    for stops in (9, 60):
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(loaded(caller_folder), tmp_path / "parts", lambda asked=asked: next(asked), **settings)
    parts = go(loaded(caller_folder), tmp_path / "parts", **settings).trained.tensors
    assert all(torch.equal(x, y) for n in whole for x, y in zip(whole[n], parts[n], strict=True))


def test_between_two_turns_stands_what_the_template_writes(caller):
    called, told = Message("assistant", "", tool_calls=(calling(1),)), Message("tool", "1", name="add")
    tools = environment().tools
    between = caller.renderer.decode(ids_after_call(caller.renderer, called, [told], tools), special=True)
    assert between == "\n<|im_start|>tool\n1<|im_end|>\n<|im_start|>assistant\n"


def test_an_objective_needs_a_grader_or_an_environment(tiny):
    assert make_objective("grpo", tiny.renderer, reward=lambda answers: []).setup.beside.environment is None
