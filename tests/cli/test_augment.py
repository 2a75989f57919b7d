"""`postgrad augment` as a user calls it: noise alone, and a remote teacher that is interrupted and paid once."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_bad_input import one_message, postgrad
from tests.data.test_augment import requests
from tests.models.test_remote import Server, answered


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.jsonl"
    rows = [{"text": r.prompt_text, "answer": json.loads(r.answer_text)} for r in requests()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def recipe(tmp_path, tiny_folder):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"base: {tiny_folder}\ndata: {{accept: [too_little, near_duplicates, length], max_test: 6, max_validation:"
        " 4}\n"
    )
    return path


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


def test_noise(data, recipe, tmp_path):
    done = postgrad("augment", data, "--recipe", recipe, "--out", "made.jsonl", "--times", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "made.jsonl").read_text().splitlines()]
    assert rows and f"{len(rows)} records generated" in done.stdout and "Look at these first" in done.stdout
    assert all(row["synthetic"]["method"] == "noise" for row in rows)
    again = postgrad(
        "augment", data, "--recipe", recipe, "--out", "again.jsonl", "--times", "2", "--json", cwd=tmp_path
    )
    assert json.loads(again.stdout)["kept"] == len(rows)
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "made.jsonl").read_text()


def test_a_remote_teacher_is_judged_and_paid_once(data, recipe, tmp_path, server):
    right = [r.answer_text for r in requests()]

    def reply(request, body):
        text = body["messages"][-1]["content"]
        if text.startswith("Rewrite"):
            words = text.partition("Message: ")[2]
            if "sofa" in words:
                return answered("Sure, here is it")
            thing, number, place = (
                words.split(" with")[0].split()[-1],
                words.split("number ")[1].split()[0],
                words.split()[-1],
            )
            return answered(f"On which day can I expect {number}, that is the {thing}, over here at {place}")
        for answer in right:
            if (number := json.loads(answer)["order"]) in text:
                # words around the object are taken away by the rule for the answer's form, as they are in a run
                return answered(f"Here it is: {answer}" if int(number[3:]) % 8 != 1 else '{"thing": "none"}')
        return answered("?")

    server.plan = [reply] * 1000
    arguments = [
        "augment",
        data,
        "--recipe",
        recipe,
        "--out",
        "made.jsonl",
        "--method",
        "paraphrase",
        "--teacher",
        f"{server.url}#m",
        "--price",
        "1,2",
        "--max-usd",
        "1",
        "--json",
    ]
    done = postgrad(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["refused"]["chatter"] >= 3 and outcome["refused"]["no_agreement"] >= 1 and outcome["kept"] >= 5
    assert outcome["spent"]["asked"] == len(server.asked) and 0 < outcome["spent"]["usd"] < 1
    aside = [json.loads(line) for line in (tmp_path / "made.refused.jsonl").read_text().splitlines()]
    assert len(aside) == sum(outcome["refused"].values()) and all(line["why"] and line["of"] for line in aside)
    before = len(server.asked)
    again = json.loads(postgrad(*arguments, cwd=tmp_path).stdout)
    assert len(server.asked) == before and again["spent"]["asked"] == 0 and again["kept"] == outcome["kept"]


def test_bad_usage(data, recipe, tmp_path):
    cases = {
        "There is no method 'typos'": ["--method", "typos"],
        "needs a teacher": ["--method", "paraphrase"],
        "has no teacher": ["--teacher", "http://x.org#m"],
        "MY_KEY is not set": ["--method", "examples", "--teacher", "http://x.org#m", "--key-env", "MY_KEY"],
        "requires the model's price": ["--max-usd", "1"],
        "is not two numbers": ["--price", "1"],
    }
    for words, options in cases.items():
        done = postgrad("augment", data, "--recipe", recipe, "--out", "made.jsonl", *options, cwd=tmp_path)
        assert words in " ".join(one_message(done).split()), words
        assert not (tmp_path / "made.jsonl").exists()
