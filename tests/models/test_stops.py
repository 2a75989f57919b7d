"""A base model without a chat template ends where the next turn of our own marks begins, evaluated as served."""

from __future__ import annotations

import json
import shutil

import pytest

from postgrad.evaluation.answer_form import AnswerForm
from postgrad.evaluation.answer_grammar import answer_grammar, can_be_held
from postgrad.models.base_models import find_model
from postgrad.models.device import Device
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.generation.grammar import choice_form, vocabulary_of
from postgrad.models.generation.incremental import answer
from postgrad.models.generation.logits import Chooser, Steering
from postgrad.models.language_model import LanguageModel
from postgrad.records import Message

LABELS = ("refund", "delivery", "card lost", "card")
RAMBLING = "refund\n\n### Request:\nAnd what of the lamp?\n\n### Answer:\nother"


@pytest.fixture
def plain(tiny_folder, tmp_path):
    """The tiny model without its chat template."""
    folder = tmp_path / "plain"
    shutil.copytree(tiny_folder, folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["chat_template"]
    path.write_text(json.dumps(config))
    return LanguageModel(find_model(str(folder)), Device("cpu", "test", "float32", {"float32": 1.0}, 1 << 32))


def forced(model: LanguageModel, text: str) -> Steering:
    """Says this text, whatever its weights are."""
    return Steering(grammar=choice_form(vocabulary_of(model.base, model.renderer), [text]))


def said(model: LanguageModel, decoding: Decoding, text: str = RAMBLING):
    prompt = model.renderer.prompt_ids([Message("user", "I want my money back")])
    steering = forced(model, text)
    found = dict(complete(model, [prompt], decoding, chooser=lambda: Chooser(decoding, steering, 0)))
    *_, last = answer(model, prompt, decoding, steering)
    assert last[0].done is not None and last[0].done.text == found[0].text, "served as evaluated"
    return found[0]


def test_marks_of_the_stand_in_template_end_an_answer(plain, tiny):
    assert not plain.renderer.has_chat_template and tiny.renderer.has_chat_template and tiny.renderer.stops == ()
    without = said(plain, Decoding(200))
    assert "### Request" in without.text
    found = said(plain, Decoding(200).for_chat(plain.renderer))
    assert (found.text, found.finish) == ("refund", "stop") and found.completion_tokens < without.completion_tokens
    assert said(plain, Decoding(200).for_chat(plain.renderer), "refund\n### Answer: x").text == "refund"


def test_one_line_is_the_first_that_is_not_blank(plain):
    found = said(plain, Decoding(200, one_line=True), "\n\nrefund now\nand more")
    assert (found.text.strip(), found.finish) == ("refund now", "stop")
    assert said(plain, Decoding(200, one_line=True), "refund now").text == "refund now"


@pytest.mark.parametrize(
    ("form", "fits"),
    [
        (
            AnswerForm(labels=("refund", "delivery", "card lost", "card")),
            lambda t: t in ("refund", "delivery", "card lost", "card"),
        ),
        (
            AnswerForm(
                schema='{"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},'
                ' "required": ["n"], "additionalProperties": false}'
            ),
            lambda t: 0 <= json.loads(t)["n"] <= 9,
        ),
    ],
)
def test_answers_are_held_to_labels_and_schemas(plain, tiny, form, fits):
    for model in (plain, tiny):
        grammar, decoding = answer_grammar(model, form), Decoding(64)
        prompts = [model.renderer.prompt_ids([Message("user", f"mail {n}")]) for n in range(12)]
        found = dict(complete(model, prompts, decoding, chooser=lambda g=grammar, d=decoding: g.chooser(d)))
        assert len(found) == 12 and all(fits(c.text) and c.finish == "stop" for c in found.values())


def test_only_labels_and_objects_can_be_held(tiny):
    assert not can_be_held(AnswerForm(one_line=True)) and not can_be_held(AnswerForm(labels=("one",)))
    with pytest.raises(ValueError, match="cannot be held"):
        answer_grammar(tiny, AnswerForm(one_line=True))
