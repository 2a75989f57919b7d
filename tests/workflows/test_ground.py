"""Documents before requests: they never fill the context, and what was cut is counted."""

from __future__ import annotations

import pytest

from postgrad.errors import DataError
from postgrad.evaluation import arms
from postgrad.evaluation.prompting import PromptBuilder, with_instruction, with_passages
from postgrad.evaluation.retrieval import Passage
from postgrad.models.base_models import find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.progress import Progress, Said
from postgrad.records import Message, pair
from postgrad.steps.arms.passages import quality_of_documents, read_passages, retriever
from tests.workflows.jobs import finish


@pytest.fixture(scope="module")
def renderer(tiny_folder):
    return load_renderer(find_model(str(tiny_folder)))


@pytest.mark.parametrize("letters", [10, 200, 900, 5000])
def test_passages_never_fill_the_context(renderer, letters):
    passages = [Passage("first " + "größe " * (letters // 6), "a"), Passage("second " + "x" * letters, "b")]
    builder = PromptBuilder(renderer, "Answer shortly.", lambda question: passages, 212)
    arm = arms.with_documents("rag", False, builder)
    record = pair("how heavy is the lamp", "2 kg")
    asked = arm.ask(record)
    whole = with_passages(with_instruction(record.prompt, "Answer shortly."), passages)
    assert len(renderer.prompt_ids(asked)) <= 300 and asked[-1].content.endswith("how heavy is the lamp")
    assert bool(arm.remark()) == (len(renderer.prompt_ids(whole)) > 300)
    if not arm.remark():
        assert asked == whole
    else:
        assert "first" in asked[-1].content, "the best passage is the last to go"


def test_a_request_that_fills_the_context_by_itself_gets_no_passages(renderer):
    builder = PromptBuilder(renderer, None, lambda question: [Passage("p", "o")], 492)
    messages = (Message("user", "a long question " * 20),)
    prompt = builder.build(messages)
    assert prompt.messages == messages and prompt.shortened


def test_retrieval_looks_at_the_whole_request_of_several_turns(renderer):
    looked = []
    builder = PromptBuilder(renderer, "Be short.", lambda question: looked.append(question) or [Passage("p", "o")])
    turns = (Message("user", "The sofa's warranty?"), Message("assistant", "Yes?"), Message("user", "How long?"))
    asked = builder.build(turns).messages
    assert looked == ["The sofa's warranty?\nYes?\nHow long?"] and asked[-1].content.endswith("Question: How long?")


def test_long_passages_are_cut_into_parts_and_nothing_is_lost(renderer, tmp_path):
    (tmp_path / "a.md").write_text("# Sofas\n\n" + " ".join(f"word{i}" for i in range(110)))
    passages, events = finish(read_passages(str(tmp_path), renderer))
    said = " ".join(e.text for e in events if isinstance(e, Said))
    assert len(passages) > 1 and f"1 became {len(passages)}" in said
    assert max(renderer.count(p.text) for p in passages) <= 512 // 4
    assert " ".join(p.text for p in passages).split() == ["Sofas", *(f"word{i}" for i in range(110))]


def test_no_documents_and_unreadable_ones(renderer, tmp_path):
    assert finish(read_passages(None, renderer)) == ((), []) and finish(retriever(()))[0] is None
    with pytest.raises(DataError, match="holds no documents"):
        finish(read_passages(str(tmp_path), renderer))
    (tmp_path / "a.md").write_bytes(b"%PDF-1.4 broken")
    with pytest.raises(DataError, match="cannot be read"):
        finish(read_passages(str(tmp_path), renderer))


def test_quality_is_of_what_was_really_found(renderer, tmp_path):
    for i in range(30):
        (tmp_path / f"{i}.md").write_text(f"# Item{i}\n\nThe Item{i} weighs {100 + i} kg.")
    passages, _ = finish(read_passages(str(tmp_path), renderer))
    retrieve, events = finish(retriever(passages))
    assert [e for e in events if isinstance(e, Progress)][-1].done == 30
    test = [pair(f"How heavy is Item{i}?", f"{100 + i} kg") for i in range(10)] + [pair("Why?", "nobody knows")]
    found = quality_of_documents(retrieve)(test, [1.0] * 10 + [0.0])
    assert (
        found["findable"] == 10 and found["hit_rate"]["2"] == 1.0 and found["mrr"] > 0.9 and found["score_with"] == 1.0
    )
