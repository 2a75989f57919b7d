"""Examples without any: from documents, from a description, and pairs of answers; a real server plays the teacher."""

from __future__ import annotations

import json
import re

import pytest

from postgrad.data import load
from postgrad.records import Preference
from tests.cli.test_bad_input import one_message, postgrad
from tests.data.test_augment import requests
from tests.models.test_remote import Server, answered

RULES = """# Returns

You may return a sofa within 30 days after delivery, as long as it is unused and in its box. We collect it from your
home free of charge, and the money is on your account five days after we have it.

# Delivery

A delivery costs 39 euros inside the country. Islands cost 79 euros, because a ship carries the furniture, and take two
weeks longer than the mainland does.
"""
GOOD = {
    "Returns": {
        "request": "How long can I send a sofa back?",
        "answer": "You can return it within 30 days after delivery, unused and in its box.",
        "quote": "You may return a sofa within 30 days after delivery, as long as it is unused and in its box.",
    },
    "Delivery": {
        "request": "What does it cost to bring a bed to an island?",
        "answer": "Delivery to islands costs 79 euros.",
        "quote": "Islands cost 79 euros, because a ship carries the furniture",
    },
}


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "rules.md").write_text(RULES, "utf-8")
    return folder


def heading(text: str) -> str:
    return "Returns" if "30 days" in text else "Delivery"


def teach(server, written, judged=lambda text: GOOD[heading(text)]["answer"]):
    """Answers what is written by `written(text)`, and what is judged by `judged(text)`."""

    def reply(request, body):
        text = body["messages"][-1]["content"]
        return answered(written(text) if "Write only one JSON object" in text else judged(text))

    server.plan = [reply] * 200


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def made(tmp_path, server, *arguments):
    done = postgrad("augment", "--out", "made.jsonl", "--teacher", f"{server.url}#t", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return rows(tmp_path / "made.jsonl"), done


def refused(tmp_path):
    return {row["reason"] for row in rows(tmp_path / "made.refused.jsonl")}


def test_documents_become_questions_that_stand_on_them(tmp_path, server, docs):
    teach(server, lambda text: f"Here you are: {json.dumps(GOOD[heading(text)])}")
    found, done = made(tmp_path, server, "--from-docs", str(docs))
    assert {row["messages"][0]["content"] for row in found} == {g["request"] for g in GOOD.values()}
    assert all(
        row["generated"] == {"method": "documents", "document": "rules.md", "teacher": f"{server.url}#t"}
        for row in found
    )
    assert "No person ever asked" in done.stderr and "postgrad run" in done.stdout
    assert [r.answer_text for r in load([tmp_path / "made.jsonl"], minimum=1)] == [
        row["messages"][1]["content"] for row in found
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quote": "A sofa may be returned within a year."}, "no_quote"),
        ({"answer": "You can return it within 45 days."}, "invented"),
        ({"answer": "Please write to Mister Halvorsen within 30 days."}, "invented"),
        ({"request": "According to the passage, how long is it?"}, "points_back"),
        ({"answer": ""}, "garbled"),
    ],
)
def test_what_does_not_stand_on_the_document_is_refused(tmp_path, server, docs, change, reason):
    def written(text):
        return json.dumps({**GOOD[heading(text)], **(change if heading(text) == "Returns" else {})})

    teach(server, written)
    found, _ = made(tmp_path, server, "--from-docs", str(docs))
    assert len(found) == 1 and refused(tmp_path) == {reason}


def test_what_is_answered_otherwise_from_the_passage_is_refused(tmp_path, server, docs):
    teach(server, lambda text: json.dumps(GOOD[heading(text)]), lambda text: "I do not know that at all, sorry to say.")
    found, _ = made(tmp_path, server, "--from-docs", str(docs))
    assert found == [] and refused(tmp_path) == {"no_agreement"}


LABELS = ("refund", "late", "damaged")
MATTERS = [
    f"{a} {b}"
    for a in ("lamp", "bed", "rug", "desk", "shelf")
    for b in ("arrived in pieces", "never came", "is not for me", "has a scratch")
]


def test_a_description_becomes_first_examples(tmp_path, server):
    numbers = iter(range(1000))

    def written(text):
        label = re.search(r"must be '(\w+)'", text)[1]
        n = next(numbers)
        matter = MATTERS[n % len(MATTERS)]
        return json.dumps({"request": f"My {matter}, order {n} ({label} please)", "answer": label})

    def judged(text):
        return re.search(r"\((\w+) please\)", text)[1]

    teach(server, written, judged)
    task = "Sort letters of customers."
    found, _ = made(tmp_path, server, "--from-task", task, "--labels", ",".join(LABELS), "--count", "20")
    answers = [row["messages"][1]["content"] for row in found]
    assert len(found) == 20 and set(answers) == set(LABELS) and max(map(answers.count, LABELS)) <= 9
    asked = [b["messages"][-1]["content"] for b in server.asked]
    assert any("These are there already" in text for text in asked) and all(task in text for text in asked)


def test_repeats_and_wrong_labels_are_refused_and_it_ends(tmp_path, server):
    teach(server, lambda _: json.dumps({"request": "Where is it?", "answer": "late"}), lambda _: "late")
    found, done = made(tmp_path, server, "--from-task", "Sort.", "--labels", "late,refund", "--count", "5", "--json")
    assert len(found) == 1 and refused(tmp_path) == {"near_duplicate"}
    assert json.loads(done.stdout)["kept"] == 1


def test_two_answers_become_a_preference(tmp_path, server, tiny_folder):
    data, recipe = tmp_path / "data.jsonl", tmp_path / "recipe.yaml"
    data.write_text("".join(json.dumps({"text": r.prompt_text, "answer": r.answer_text}) + "\n" for r in requests()))
    recipe.write_text(f"base: {tiny_folder}\ndata: {{accept: [too_little, near_duplicates, length], max_test: 6}}\n")

    def reply(request, body):
        text = body["messages"][-1]["content"]
        if "<answer_A>" in text:
            return answered("It is kinder. [[A]]" if text.find("kind") < text.find("rude") else "It is kinder. [[B]]")
        return answered("a kind answer" if body["temperature"] == 0 else "a rude answer")

    server.plan = [reply] * 2000
    found, done = made(tmp_path, server, str(data), "--recipe", str(recipe), "--method", "preferences")
    pairs = load([tmp_path / "made.jsonl"], minimum=1).records
    assert found
    assert all(
        "kind" in p.chosen[0].content and "rude" in p.rejected[0].content for p in pairs if isinstance(p, Preference)
    )
    assert "--objective dpo" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "There is no data"),
        (("--from-task", "Sort."), "needs a teacher"),
        (("data.jsonl", "--from-task", "Sort.", "--teacher", "x"), "without data"),
        (("data.jsonl", "--labels", "a,b"), "--labels is not read here"),
        (("data.jsonl", "--count", "3"), "--count is not read here"),
        (("--from-task", "Sort.", "--teacher", "x", "--times", "2"), "--times is not read here"),
        (("--from-docs", "nowhere", "--teacher", "http://127.0.0.1:9/v1#x"), "no folder"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path, arguments, said):
    assert said in one_message(postgrad("augment", "--out", "x.jsonl", *arguments, cwd=tmp_path))


def test_a_run_says_that_its_examples_were_written_by_a_model(tmp_path, tiny_folder):
    path = tmp_path / "made.jsonl"
    lines = [
        {
            "messages": [{"role": "user", "content": r.prompt_text}, {"role": "assistant", "content": r.answer_text}],
            "generated": {"method": "task", "teacher": "t"},
        }
        for r in requests()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = postgrad("run", path, "--base", tiny_folder, "--arms", "nearest", "--no-general", cwd=tmp_path)
    assert (
        "48 of 48 examples were written by a model" in done.stderr or "examples were written by a model" in done.stderr
    )
