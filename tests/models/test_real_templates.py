"""Chat templates of real models, as TRL ships them: what is asked begins as what is trained."""

from pathlib import Path

import pytest

from postgrad.errors import DataError
from postgrad.models.rendering.render import Renderer
from postgrad.models.rendering.template import Template
from postgrad.records import Conversation, Message
from tests.conftest import CHATML, write_tokenizer

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
ASKED = (Message("user", "Where is my order?"),)
CONVERSATIONS = {
    "one turn": ASKED,
    "system": (Message("system", "Be short."), *ASKED),
    "three turns": (*ASKED, Message("assistant", "On its way."), Message("user", "When will it be here?")),
}
ANSWER = "On Friday, by noon."


def templates():
    trl = pytest.importorskip("trl")
    return sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))


@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_what_is_asked_begins_as_what_is_trained(kind):
    messages, wrong, refused = CONVERSATIONS[kind], [], []
    for path in templates():
        template = Template(path.read_text("utf-8"), TOKENS)
        try:
            text, spans = template.spans([*messages, Message("assistant", ANSWER)])
        except DataError:
            refused.append(path.stem)
            continue
        asked = template.text(messages, start_answer=True)  # a blank is part of the answer's first token
        if asked.rstrip(" ") != text[: spans[-1][0]].rstrip(" "):
            wrong.append(path.stem)
    assert not wrong
    assert len(refused) <= len(templates()) // 8, refused


def test_templates_that_open_a_block_of_thinking_are_asked_without_one():
    """Qwen 3 writes an empty block before an answer without thinking, and opens one where it is to think."""
    path = next(p for p in templates() if p.stem == "qwen3")
    for thinking, end in ((False, "<think>\n\n</think>\n\n"), (True, "assistant\n<think>\n")):
        template = Template(path.read_text("utf-8"), TOKENS, thinking)
        assert template.text(ASKED, start_answer=True).endswith(end)


def test_marks_of_what_was_generated_are_read():
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}[{% generation %}{{ m.content }}{{ eos_token }}"
        "{% endgeneration %}]{% else %}<{{ m.content }}>{% endif %}{% endfor %}"
    )
    template = Template(source, TOKENS)
    text, spans = template.spans([*ASKED, Message("assistant", "Here.")])
    assert text == "<Where is my order?>[Here.</s>]" and text[slice(*spans[1])] == "Here."
    assert template.text(ASKED, start_answer=True) == "<Where is my order?>["


def test_every_answer_of_a_conversation_is_trained_as_it_is_asked_for(tmp_path):
    """Qwen 3 writes its empty block before the last answer alone; each answer is an example of its own there."""
    source = next(p for p in templates() if p.stem == "qwen3").read_text("utf-8")
    turns = (*CONVERSATIONS["three turns"], Message("assistant", ANSWER))
    for name, text, count in (("qwen3", source, 2), ("chatml", CHATML, 1)):
        write_tokenizer(
            tmp_path / name, text, ["<|im_start|>", "<|im_end|>", "<think>", "</think>"], None, "<|im_end|>"
        )
        renderer = Renderer(tmp_path / name, 512)
        examples = renderer.as_asked(Conversation(messages=turns))
        assert len(examples) == count
        learned = 0
        for example in examples:
            rendered = renderer.render(example)
            answers = [i for i, m in enumerate(example.messages) if m.role == "assistant" and m.weight > 0]
            learned += len(answers)
            for i in answers:
                asked = renderer.prompt_ids(example.messages[:i])
                assert list(rendered.ids[: len(asked)]) == asked
                assert rendered.weights[len(asked)] > 0 and rendered.weights[len(asked) - 1] == 0
        assert learned == 2
