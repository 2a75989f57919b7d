"""`postgrad train --objective distill` as it is used: a teacher at an address, on this machine, or the base itself with
more to read; what it costs, and what is refused."""

import json
import re
import subprocess
import sys

import pytest

from postgrad.cli import main
from postgrad.registry import Catalogue
from postgrad.storage import StageStore
from tests.conftest import write_model, write_tokenizer
from tests.workflows.remote_server import Server

QUICK = ("--set", "max_steps=3", "--set", "rank=2", "--accept", "too_little,length", "--set", "answer_tokens=8")
RULES = "Refunds take 37 days. Order 5 is late. Say yes, no or maybe. " * 2
CITIES = [
    "Pell Bay",
    "Oster",
    "Carrow",
    "Skerry",
    "Gannet",
    "Alder",
    "Bryn",
    "Corrie",
    "Dunmore",
    "Elden",
    "Fenn",
    "Iven",
]


@pytest.fixture
def asked(tmp_path):
    """Prompts without answers."""
    path = tmp_path / "asked.jsonl"
    rows = [{"messages": [{"role": "user", "content": f"When does the van to {c} leave, {c[::-1]}?"}]} for c in CITIES]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def answered(tmp_path):
    path = tmp_path / "answered.jsonl"
    rows = [{"prompt": f"When does the van to {c} leave, {c[::-1]}?", "completion": f"On {c}."} for c in CITIES]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def server():
    made = Server(lambda messages: f"Yes, {messages[-1]['content'][-8:-1]}.")
    yield made
    made.stop()


def train(capsys, data, base, *more, code=0):
    done = main(["train", str(data), "--base", str(base), "--objective", "distill", *QUICK, *map(str, more)])
    shown = capsys.readouterr()
    assert done == code, shown.err
    return " ".join((shown.out + shown.err).split())


def taught():
    """The newest training's part of the registry."""
    return max(Catalogue().list(), key=lambda entry: (entry.name != "elder", entry.version)).details["training"]


def test_the_base_teaches_itself_a_long_prompt_with_prompts_alone(tmp_path, tiny_folder, asked, capsys):
    (tmp_path / "rules.txt").write_text(RULES)
    said = train(capsys, asked, tiny_folder, "--set", f"teacher_prompt=@{tmp_path / 'rules.txt'}")
    assert "The answers are those of the base itself, to" in said, "there are none in the data"
    assert "Before training the student is" in said and "Each request saves" in said
    part = taught()
    assert part["settings"]["teacher_prompt"] == RULES.strip(), "what was read is kept, not where it stood"
    assert part["objective"] == "distill" and "Each request saves" in part["in_words"]
    again = train(capsys, asked, tiny_folder, "--set", f"teacher_prompt=@{tmp_path / 'rules.txt'}")
    assert "The same training was done before" in again
    (tmp_path / "rules.txt").write_text(RULES + "Never on Sunday.")
    other = train(capsys, asked, tiny_folder, "--set", f"teacher_prompt=@{tmp_path / 'rules.txt'}")
    assert "The same training was done before" not in other


def test_a_teacher_at_an_address_is_asked_once(tmp_path, tiny_folder, asked, server, capsys):
    words = {"Oster": "", "Fenn": "  \n"}
    server.say = lambda messages: next((w for c, w in words.items() if c in messages[-1]["content"]), "It leaves at 5.")
    common = ("--set", f"teacher={server.url}#tutor")
    said = train(capsys, asked, tiny_folder, *common)
    assert f"The answers are those of {server.url}#tutor, to 10 of 12 prompts. Left out: 2 empty." in said
    assert "10 of 12 prompts" in taught()["in_words"] and len(server.asked) == 12
    assert {m["role"] for body in server.asked for m in body["messages"]} == {"user"}
    said = train(capsys, asked, tiny_folder, *common, "--set", "epochs=2")
    assert len(server.asked) == 12 and "12 answers were kept from before" in said
    train(capsys, asked, tiny_folder, *common, "--set", "teacher_prompt=Be short.")
    assert len(server.asked) == 24 and server.asked[-1]["messages"][0] == {"role": "system", "content": "Be short."}


def test_a_teacher_that_dies_or_costs_too_much_is_one_sentence_and_goes_on(
    tmp_path, tiny_folder, asked, server, capsys
):
    server.dies_after = 5
    common = ("--set", f"teacher={server.url}#tutor")
    price = ("--set", "evaluation.remote_price=[[1000, 1000]]", "--set", "evaluation.remote_budget_usd=0.1")
    server.tokens = (20, 8)
    said = train(capsys, asked, tiny_folder, *common, code=2)
    assert "failed 7 times in a row: status 503" in said and "answers so far are kept" in said
    server.dies_after, before = None, len(server.asked)
    said = train(capsys, asked, tiny_folder, *common, *price, code=2)
    assert "The budget of 0.1 USD is spent" in said and "evaluation.remote_budget_usd" in said
    assert 0 < len(server.asked) - before < 7
    train(capsys, asked, tiny_folder, *common)
    assert len(server.asked) - before == 7, "five were answered before, none is asked twice"


def test_a_teacher_with_nothing_to_say_leaves_nothing_to_learn(tiny_folder, asked, server, capsys):
    server.say = lambda messages: ""
    said = train(capsys, asked, tiny_folder, "--set", f"teacher={server.url}#mute", code=2)
    assert "There is nothing to learn." in said and "Left out: 12 empty." in said


@pytest.mark.parametrize("mode", ["logits", "on_policy"])
def test_another_model_of_this_machine_teaches(tmp_path, tiny_folder, answered, mode, capsys):
    folder = write_model(tmp_path / "larger", layers=3, hidden=48, seed=4)
    said = train(capsys, answered, tiny_folder, "--set", f"teacher={folder}", "--set", f"mode={mode}")
    assert "Before training the student is" in said and f"The teacher {folder}" in said
    assert "The answers are those of" not in said, "they are the data's, or the student's"


def test_a_registered_model_teaches_what_it_was_taught(tmp_path, tiny_folder, answered, capsys):
    longer = ("--set", "max_steps=60", "--set", "epochs=60", "--set", "learning_rate=0.02", "--set", "embeddings=true")
    elder = (
        "--name",
        "elder",
        "--method",
        "full",
        "--system-prompt",
        "Be an elder.",
        "--accept",
        "too_little,length,balance",
        *longer,
    )
    alike = [json.loads(line) | {"completion": "Soon."} for line in answered.read_text().splitlines()]
    (tmp_path / "alike.jsonl").write_text("\n".join(map(json.dumps, alike)))
    assert main(["train", str(tmp_path / "alike.jsonl"), "--base", str(tiny_folder), *elder]) == 0
    room = ("--set", "answer_tokens=20")
    said = train(capsys, answered, tiny_folder, "--set", "teacher=elder@1")
    assert "Before training the student is" in said and "Each request saves" in said, "it has its own instruction"
    said = train(capsys, answered, tiny_folder, "--set", "teacher=elder@1", "--set", "mode=text", *room)
    assert re.search(r"The answers are those of elder@1, to [1-9]\d* of 12 prompts", said)


def test_the_teacher_is_shown_the_answers_of_the_data(tiny_folder, answered, asked, capsys):
    said = train(capsys, answered, tiny_folder, "--set", "demonstrate=true")
    assert "nats a token from its teacher" in said and taught()["settings"]["demonstrate"] is True
    said = train(capsys, asked, tiny_folder, "--set", "demonstrate=true", code=2)
    assert "there is no answer that the teacher could be shown" in said


REFUSED = [
    ([], "requires a teacher: --set teacher=URL#MODEL"),
    (["teacher={base}"], "is the model that is trained, and reads no more than the student"),
    (["teacher=nobody"], "nobody"),
    (["teacher={other}", "mode=logits"], "has another tokenizer than the base"),
    (["teacher=http://127.0.0.1:9/v1#m", "mode=logits"], "tells its text alone"),
    (["teacher=http://127.0.0.1:9/v1"], "is no remote model"),
    (["teacher_prompt=@nowhere.txt"], "the file 'nowhere.txt' cannot be read as text"),
    (["teacher_prompt=@{empty}"], "is empty"),
    (["teacher_prompt=x", "samples=4"], "samples is for the mode on_policy"),
    (["demonstrate=true", "mode=logits"], "demonstrate is for the modes on_policy and text"),
    (["teacher_prompt=x", "base_replay=0.1"], "base_replay mixes conversations into sft and pretrain"),
    (["teacher_prompt=x", "blend=true"], "a blend is chosen by validation loss"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_cannot_teach_is_refused_in_words(tmp_path, tiny_folder, asked, given, words, capsys):
    other = write_model(tmp_path / "other")
    write_tokenizer(other, None, ["</s>"], None, "</s>")
    (tmp_path / "empty.txt").write_text(" \n")
    filled = [g.format(base=tiny_folder, other=other, empty=tmp_path / "empty.txt") for g in given]
    said = train(capsys, asked, tiny_folder, *(x for g in filled for x in ("--set", g)), code=2)
    assert words in said and "Traceback" not in said
    assert StageStore.default().get("training", "x") is None and not Catalogue().list()


def without_torch(command, data, base, setting):
    code = (
        "import sys; from postgrad.cli import main; code = main(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    words = [command, str(data), "--base", str(base), "--objective", "distill", "--set", setting]
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False).returncode == 0


def test_an_estimate_counts_the_teacher(tmp_path, tiny_folder, asked, answered, capsys):
    def estimate(data, *options):
        more = [x for o in options for x in ("--set", o)]
        assert main(["estimate", str(data), "--base", str(tiny_folder), "--objective", "distill", "--json", *more]) == 0
        return json.loads(capsys.readouterr().out)

    plain = estimate(answered, "teacher_prompt=x")
    long = estimate(answered, f"teacher_prompt={RULES}")
    assert long["minutes"] > plain["minutes"] and long["tokens"] == plain["tokens"]
    assert long["memory_bytes"] > plain["memory_bytes"]
    folder = write_model(tmp_path / "larger", layers=6, hidden=256)
    beside = estimate(answered, f"teacher={folder}")["memory_bytes"] - plain["memory_bytes"]
    weights = sum(p.stat().st_size for p in folder.glob("*.safetensors"))
    assert 0.9 * weights < beside < 5 * weights
    assert without_torch("estimate", asked, tiny_folder, f"teacher={folder}")
    few, many = (estimate(asked, "teacher_prompt=x", "mode=on_policy", f"answer_tokens={n}") for n in (10, 50))
    assert few["supervised_tokens"] == 12 * 10 and many["minutes"] > few["minutes"]
