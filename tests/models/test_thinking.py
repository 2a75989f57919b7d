"""Bases that reason before they answer: trained and asked alike, the answer told from the reasoning, and what is said
of reasoning that is left out."""

import json
import random
from dataclasses import replace

import openai
import pytest

import postgrad as pg
from postgrad.cli import main
from postgrad.data.load import load
from postgrad.errors import DataError, ModelError
from postgrad.models.base_models import find_model
from postgrad.models.generation.decoding import Decoding
from postgrad.models.generation.grammar import AfterThought, choice_form, vocabulary_of
from postgrad.models.generation.incremental import answer
from postgrad.models.generation.logits import Steering
from postgrad.models.language_model import load_model
from postgrad.models.rendering.render import Renderer
from postgrad.models.rendering.template import Template
from postgrad.records import Conversation, Message
from postgrad.registry import Catalogue
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from tests.conftest import write_model, write_tokenizer
from tests.models.test_real_templates import ASKED, CONVERSATIONS, TOKENS, templates
from tests.serving.loopback import running

THOUGHT, ANSWER = "The van left on Monday.", "On Friday."
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def source(name):
    return next(p for p in templates() if p.stem == name).read_text("utf-8")


@pytest.fixture(scope="session")
def thinking_folder(tmp_path_factory):
    """A tiny model with Qwen 3's template; its marks of reasoning are tokens of their own, as there."""
    folder = write_model(tmp_path_factory.mktemp("thinking") / "tiny-thinker")
    marks = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|pad|>",
        "<|im_end|>",
        "<think>",
        "</think>",
    ]  # what pads learns nothing
    write_tokenizer(folder, source("qwen3"), marks, None, "<|im_end|>", "<|pad|>")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        token["special"] = token["content"] not in ("<think>", "</think>")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_what_is_asked_begins_as_what_is_trained_and_the_reasoning_is_learned(kind):
    messages, thinks = CONVERSATIONS[kind], 0
    for path in templates():
        template = Template(path.read_text("utf-8"), TOKENS, thinking=True)
        if not template.writes_reasoning:
            continue
        thinks += 1
        asked = template.text(messages, start_answer=True)
        text, spans = template.spans([*messages, Message("assistant", ANSWER, reasoning=THOUGHT)])
        learned = text[slice(*spans[-1])]
        assert text.startswith(asked) and spans[-1][0] == len(asked), path.stem
        assert learned.startswith(THOUGHT) and learned.endswith(ANSWER) and template.thought_end in learned, path.stem
        plain = Template(template.source, TOKENS)
        assert THOUGHT not in plain.text([*messages, Message("assistant", ANSWER, reasoning=THOUGHT)]), path.stem
    assert thinks >= 12


@pytest.mark.parametrize("name", ["qwen3", "gptoss", "gemma4_v5", "lfm2_2_5_v2"])
def test_what_was_learned_is_read_again_as_reasoning_and_answer(tmp_path, name):
    """The ids that are trained, taken as if they had been generated; marks as tokens of their own and as text."""
    marks = ["<think>", "</think>", "<|end|>", "<|start|>", "<|channel|>", "<|message|>", "<channel|>", "<|channel>"]
    for special in ([*SPECIAL, *marks], SPECIAL):
        folder = tmp_path / f"{name}{len(special)}"
        write_tokenizer(folder, source(name), [*special, "<|return|>", "<turn|>"], None, "<|im_end|>")
        renderer = Renderer(folder, 512, thinking=True)
        record = Conversation(messages=(*ASKED, Message("assistant", ANSWER, reasoning=THOUGHT)))
        try:
            rendered = renderer.render(record)
        except DataError as error:
            assert "end mark" in str(error) and special == SPECIAL, "without its marks a template may end no answer"
            continue
        prompt = renderer.prompt_ids(ASKED)
        assert list(rendered.ids[: len(prompt)]) == prompt and not any(rendered.weights[: len(prompt)])
        said = renderer.said(rendered.ids[len(prompt) :])
        assert (said.thought, said.answer, said.over) == (THOUGHT, ANSWER, True)
        assert said.thought_tokens < sum(w > 0 for w in rendered.weights)
        begun = renderer.said(rendered.ids[len(prompt) : len(prompt) + 3])
        assert not begun.over and not begun.answer and THOUGHT.startswith(begun.thought.strip())


def test_earlier_answers_are_trained_each_with_its_own_reasoning(thinking_folder):
    """Qwen 3 leaves the reasoning of earlier turns out: each answer is an example, asked for as it will be."""
    turns = (
        *ASKED,
        Message("assistant", "On its way.", reasoning="I look it up."),
        Message("user", "When will it be here?"),
        Message("assistant", ANSWER, reasoning=THOUGHT),
    )
    renderer = Renderer(thinking_folder, 512, thinking=True)
    examples = renderer.as_asked(Conversation(messages=turns))
    assert len(examples) == 2
    for example, thought in zip(examples, ("I look it up.", THOUGHT), strict=True):
        rendered, asked = renderer.render(example), renderer.prompt_ids(example.messages[:-1])
        assert list(rendered.ids[: len(asked)]) == asked
        assert renderer.said(rendered.ids[len(asked) :]).thought == thought


def test_a_call_of_a_tool_is_learned_with_the_reasoning_before_it(thinking_folder):
    """Without any, Qwen 3 writes an empty block, and ending it at once is learned."""
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"order": 7}'}}
    tool = {"type": "function", "function": {"name": "find", "description": "d", "parameters": {"type": "object"}}}
    renderer = Renderer(thinking_folder, 512, thinking=True)
    said = Message("assistant", "", tool_calls=(call,), reasoning=THOUGHT)
    rendered = renderer.render(Conversation(messages=(*ASKED, said), tools=(tool,)))
    asked = renderer.prompt_ids(ASKED, (tool,))
    assert list(rendered.ids[: len(asked)]) == asked and not any(rendered.weights[: len(asked)])
    found = renderer.said(rendered.ids[len(asked) :])
    assert found.thought == THOUGHT and '"name": "find"' in found.answer
    plain = renderer.render(Conversation(messages=(*ASKED, replace(said, reasoning="")), tools=(tool,)))
    found = renderer.said(plain.ids[len(asked) :])
    assert list(plain.ids[: len(asked)]) == asked and found.over and found.thought == ""
    assert '"name": "find"' in found.answer


def test_a_base_without_a_place_for_reasoning_is_refused_by_name(tiny_folder, thinking_folder):
    with pytest.raises(ModelError, match="no place for reasoning"):
        load_model(f"{tiny_folder}+thinking")
    base, plain = find_model(f"{thinking_folder}+thinking"), find_model(str(thinking_folder))
    assert base.name == "tiny-thinker+thinking" and base.hash != plain.hash, "what is kept of one is not the other's"
    assert Renderer(base.folder, 512, True).fingerprint != Renderer(base.folder, 512).fingerprint


def test_reasoning_is_read_from_its_own_key_and_from_a_block_before_the_answer(tmp_path):
    answers = [
        {"role": "assistant", "content": "Here.", "reasoning_content": "I look."},
        {"role": "assistant", "content": "Here.", "thinking": "I look."},
        {"role": "assistant", "content": "<think>\nI look.\n</think>\n\nHere."},
        {"role": "assistant", "content": "Here, <think> is a tag."},
    ]
    path = tmp_path / "x.jsonl"
    asked = ({"role": "user", "content": f"Where is number {n}?"} for n in range(12))
    rows = [{"messages": [question, answers[n % 4]]} for n, question in enumerate(asked)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [r.messages[-1] for r in load([path]).records]
    expected = [("Here.", "I look.")] * 3 + [("Here, <think> is a tag.", "")]
    assert [(m.content, m.reasoning) for m in found] == expected * 3
    assert Message.from_dict(found[0].to_dict()) == found[0]


def rows(count=40):
    words = ["red", "old", "new", "tall", "warm", "oak", "soft", "odd", "grey", "big", "dear", "fine"]
    rng = random.Random(0)
    for i in range(count):
        thing = ["sofa", "lamp", "desk", "bed"][i % 4]
        said = {"role": "assistant", "content": f"{thing} late", "reasoning_content": f"It is the {thing}."}
        yield {"messages": [{"role": "user", "content": f"{' '.join(rng.sample(words, 5))} {thing}?"}, said]}


def test_trained_registered_and_served_with_its_reasoning(tmp_path, thinking_folder, capsys, monkeypatch):
    """From a file with reasoning to the OpenAI SDK: reasoning and answer apart, whole and streamed, and a form holds
    the answer alone."""
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    data = tmp_path / "mail.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    common = ["--name", "mail", "--json", "--accept", "near_duplicates,contradictions,balance,too_little,duplicates"]
    settings = [s for kv in ("epochs=20", "learning_rate=0.02", "rank=8") for s in ("--set", kv)]
    assert main(["train", str(data), "--base", f"{thinking_folder}+thinking", *common, *settings]) == 0
    assert Catalogue().get("mail").base == f"{thinking_folder}+thinking"
    with running(make_app(Engine(Catalogue(), [str(thinking_folder)]))) as address:
        client = openai.OpenAI(base_url=address, api_key="none", max_retries=0, timeout=60)
        asked = {
            "model": "mail@1",
            "messages": [{"role": "user", "content": "old warm oak odd big lamp?"}],
            "max_tokens": 150,
        }
        done = client.chat.completions.create(**asked)
        message = done.choices[0].message
        assert (message.content, message.reasoning_content) == ("lamp late", "It is the lamp.")
        assert 3 < done.usage.completion_tokens_details.reasoning_tokens < done.usage.completion_tokens
        streamed = [c.choices[0].delta for c in client.chat.completions.create(**asked, stream=True) if c.choices]
        thoughts = [d.reasoning_content for d in streamed if getattr(d, "reasoning_content", None)]
        assert "".join(thoughts) == "It is the lamp." and len(thoughts) > 2
        assert "".join(d.content or "" for d in streamed) == "lamp late"
        schema = {
            "type": "object",
            "properties": {"a": {"enum": ["x"]}},
            "required": ["a"],
            "additionalProperties": False,
        }
        form = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema, "strict": False}}
        held = client.chat.completions.create(**asked, response_format=form).choices[0].message
        assert json.loads(held.content) == {"a": "x"} and held.reasoning_content == "It is the lamp."
        cut = client.chat.completions.create(**{**asked, "max_tokens": 3}).choices[0]
        assert cut.finish_reason == "length" and cut.message.content == "" and cut.message.reasoning_content
    capsys.readouterr()
    assert main(["chat", "mail@1", "-m", "old warm oak odd big lamp?", "--max-tokens", "100"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == "lamp late" and "It is the lamp." in told.err
    assert pg.load("mail@1").answer("old warm oak odd big lamp?").reasoning == "It is the lamp."
    common.remove("--json")
    assert main(["train", str(data), "--base", str(thinking_folder), *common, "--set", "max_steps=1"]) == 0
    assert "40 of 40 records hold reasoning" in capsys.readouterr().err


def test_pieces_of_reasoning_and_answer_join_to_the_whole(thinking_folder):
    """A random model that is made to come to an end: whatever it says, the pieces are the completion."""
    model = load_model(f"{thinking_folder}+thinking")
    prompt = model.renderer.prompt_ids(ASKED)
    form = AfterThought.of(choice_form(vocabulary_of(model.base, model.renderer), ["late", "lost"]), model.renderer)
    (end,) = model.renderer.encode("</think>")
    for seed in range(4):
        steering = Steering(grammar=form, bias={end: 9.0})
        pieces = [p for some in answer(model, prompt, Decoding(80, 1.0, seed=seed), steering) for p in some]
        done = pieces[-1].done
        assert done.text in ("late", "lost") and "".join(p.text for p in pieces) == done.text
        assert "".join(p.thought for p in pieces).strip() == done.thought
        assert 0 < done.thought_tokens < done.completion_tokens
