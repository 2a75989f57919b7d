"""`run` and `evaluate` on raw text: what is kept aside is foretold, and the voice is compared."""

from __future__ import annotations

import json
import random

import pytest

from postgrad.data.documents.raw_texts import load_texts
from postgrad.errors import DataError, UsageError
from postgrad.models.rendering.render import Renderer
from postgrad.progress import Said, finished
from postgrad.recipe import Recipe
from postgrad.records import Text
from postgrad.registry import Catalogue
from postgrad.report.run_report import Report
from postgrad.steps.text_parts import divide_texts, text_examples
from postgrad.workflows.evaluate import EvaluateRequest, evaluate
from postgrad.workflows.run import run
from tests.workflows.jobs import finish, small

LEARNS = {
    "training.learning_rate": 0.01,
    "training.max_steps": 40,
    "training.max_length": 256,
    "training.batch_size": 2,
    "data.accept": ["too_little"],
    "evaluation.arms": [
        "nearest",
        "base",
        "prompted",
        "few_shot",
        "optimised_prompt",
        "rag",
        "good_answers",
        "fine_tuned",
    ],
    "decision.stop_early": False,
}


def story(seed, sentences=2600, most=99):
    """Text with a manner of its own that can be learned, and in which no passage is another's."""
    dice = random.Random(seed)
    things, deeds = ["sofa", "lamp", "desk", "bed", "shelf"], ["waits", "shines", "creaks", "leans", "sleeps"]
    said = (
        f"The {dice.choice(things)} {dice.choice(deeds)} and the {dice.choice(things)} {dice.choice(deeds)} "
        f"{dice.randint(2, most)} times."
        for _ in range(sentences)
    )
    return " ".join(f"{s}\n\n" if n % 6 == 5 else s for n, s in enumerate(said))


def said(events):
    return " ".join(e.text for e in events if isinstance(e, Said))


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(story(3), "utf-8")
    return path


def test_a_book_ends_in_a_verdict(tiny_folder, tmp_path, book):
    report, events = finish(run(small(tiny_folder, **LEARNS), [book], tmp_path / "out"))
    arms = {a.name: a for a in report.arms}
    assert report.training is not None and report.training.objective == "pretrain" and report.task.kind == "text"
    assert arms["base"].score == 0.5 and arms["fine_tuned"].score > 0.7, "the base saves nothing by definition"
    assert set(arms) >= {"base", "prompted", "rag", "fine_tuned"} and not {"nearest", "good_answers"} & set(arms)
    assert arms["fine_tuned"].metrics["bits_per_letter"] < arms["base"].metrics["bits_per_letter"]
    assert arms["fine_tuned"].metrics["perplexity"] < arms["base"].metrics["perplexity"]
    assert report.verdict.recommendation == "fine_tune"
    assert "trained with the objective pretrain" in said(events) and "The end of each document tests" in said(events)
    assert "Replay against forgetting" in said(events), "conversations are mixed in unless they are refused"
    assert report.training.replayed > 0
    left = {part.name: part.reason for part in report.left_out}
    assert "no questions" in left["optimised_prompt"]
    voice = report.voice
    assert voice is not None and {row.arm for row in voice.rows} == {"", *arms} and len(voice.examples) == 3
    rows = {row.arm: row for row in voice.rows}
    assert voice.telling and rows[""].taken > 0.9 and rows["base"].taken < 0.3
    assert rows[""].distance < rows["base"].distance / 4 and rows["fine_tuned"].copied == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Whose voice" in page and "taken for the author" in page
    assert 'data-label="a right answer">–' in page, "text that is foretold is no right answer"
    assert report.verdict.brief is not None and "where the base has 50" in report.verdict.brief.use_for
    assert report.verdict.brief.not_for.startswith("Facts")
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()).voice == voice

    again, events = finish(run(small(tiny_folder, **LEARNS), [book], tmp_path / "out"))
    assert again.voice == voice and [a.score for a in again.arms] == [a.score for a in report.arms]
    assert "result is reused" in said(events)

    assert report.model is not None
    name = f"{report.model.name}@{report.model.version}"
    other = tmp_path / "other.txt"
    other.write_text(story(8), "utf-8")
    request = EvaluateRequest(small(tiny_folder, **{"data.accept": ["too_little"]}), [other], [str(tiny_folder), name])
    found, _ = finish(evaluate(request, tmp_path / "evaluated"))
    scores = {a.name: a.score for a in found.arms}
    assert scores[name] > 0.65 and next(s for a, s in scores.items() if a.startswith("base")) == 0.5
    assert Catalogue().get(name).details["metric"] == "bits_saved"
    assert found.voice is not None and {row.arm for row in found.voice.rows} == {"", *scores}


def test_what_is_kept_aside_is_not_trained_on(tiny_folder, tmp_path, book):
    changes = {**LEARNS, "training.max_steps": 4, "evaluation.arms": ["base", "fine_tuned"], "training.base_replay": 0}
    report, events = finish(run(small(tiny_folder, **changes), [book], tmp_path / "out"))
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text("utf-8").split("\n") if line]
    text = book.read_text("utf-8")
    first = min(text.index(line["prompt"][0]["content"][:80]) for line in lines)
    assert first > 0.75 * len(text), "the end tests"
    assert len(lines) == report.data.test and "Replay" not in said(events)
    book.write_text(text := story(3, most=10**9), "utf-8")  # no sentence twice
    texts = load_texts([book])
    parts = finished(divide_texts(Recipe().data, 0, texts, [], 100), lambda event: None)
    assert "".join(t.text for part in (parts.train, parts.validation, parts.test) for t in part) == text
    renderer = Renderer(tiny_folder, 256)
    examples = finished(text_examples(Recipe().data, parts, 100, renderer), lambda event: None)
    assert examples.material is not None
    learned = " ".join(t.text for t in examples.material.train if isinstance(t, Text))
    shown = [*examples.validation, *examples.test]
    assert len(shown) > 40 and not any(q.prompt_text + q.answer_text in learned for q in shown)
    assert not {q.prompt_text for q in shown} & {q.prompt_text for q in examples.train}


def test_of_many_documents_whole_ones_are_kept_aside(tiny_folder, tmp_path):
    data = tmp_path / "notes.jsonl"
    data.write_text("".join(json.dumps({"text": story(n, 40)}) + "\n" for n in range(60)), "utf-8")
    changes = {**LEARNS, "training.max_steps": 4, "evaluation.arms": ["base", "fine_tuned"], "training.base_replay": 0}
    report, events = finish(run(small(tiny_folder, **changes), [data], tmp_path / "out"))
    assert report.data.test_units is not None and report.data.test_units < report.data.test, "passages of one document"
    assert "The end of each" not in said(events)
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text("utf-8").split("\n") if line]
    assert len({line["group"] for line in lines}) == report.data.test_units == 12


def test_a_folder_is_read_as_documents_where_pretraining_is_asked_for(tiny_folder, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.md").write_text(story(n, 900), "utf-8")
    (folder / "table.txt").write_text("\n".join(f"the lamp, and the desk {n}" for n in range(2000)), "utf-8")
    changes = {**LEARNS, "training.max_steps": 4, "evaluation.arms": ["base", "fine_tuned"], "training.base_replay": 0}
    recipe = small(tiny_folder, **{**changes, "training.objective": "pretrain"})
    report, events = finish(run(recipe, [folder], tmp_path / "out"))
    assert "documents: 4" in said(events) and report.data.read == 4, "one that looks like a table is a document here"


def test_what_cannot_be_done_with_text_is_refused(tiny_folder, tmp_path, book):
    short = tmp_path / "short.txt"
    short.write_text(story(1, 20), "utf-8")
    with pytest.raises(DataError, match="too short"):
        finish(run(small(tiny_folder, **LEARNS), [short], tmp_path / "out"))
    with pytest.raises(UsageError, match="does not learn from"):
        finish(run(small(tiny_folder, **{**LEARNS, "training.objective": "sft"}), [book], tmp_path / "out"))
    with pytest.raises(UsageError, match="judges answers"):
        finish(run(small(tiny_folder, **{**LEARNS, "evaluation.metric": "chrf"}), [book], tmp_path / "out"))
