"""Moving house for real: a server of ours plays OpenAI, and its jobs are imported into another home."""

import io
import json
from pathlib import Path

import openai
import pytest

from postgrad.cli import main
from postgrad.errors import DataError, UsageError
from postgrad.registry import Catalogue
from postgrad.registry.names import Names
from postgrad.report.run_report import Report
from postgrad.serving.inference.engine import Engine
from postgrad.workflows.import_openai.account import Account, decoded
from postgrad.workflows.import_openai.fetch import Fetched, safe
from postgrad.workflows.import_openai.recorded import Recorded
from postgrad.workflows.import_openai.retrain import name_for, why_not
from tests.serving.running import Process, examples, until
from tests.serving.test_job_methods import dpo, preferences, reinforcement, tasks

TRAINED, HELD = examples(20), b"\n".join(examples(36).splitlines()[20:])
ENDED = ("succeeded", "failed", "cancelled")


def job(client, data, model="gpt-4o-mini", **more):
    file = client.files.create(file=io.BytesIO(data), purpose="fine-tune")
    return client.fine_tuning.jobs.create(model=model, training_file=file.id, **more)


def ended(client, one):
    return until(lambda: (j := client.fine_tuning.jobs.retrieve(one.id)).status in ENDED and j, 150)


def lines(rows):
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.fixture(scope="module")
def old(tmp_path_factory, tiny_folder):
    """A server with three jobs: a whole one, one whose file was deleted, and one that failed."""
    process = Process(tmp_path_factory.mktemp("openai") / "home", tiny_folder)
    process.start()
    client = openai.OpenAI(base_url=process.address, api_key="x", max_retries=0, timeout=60)

    validation = client.files.create(file=io.BytesIO(HELD), purpose="fine-tune").id
    whole = job(
        client,
        TRAINED,
        validation_file=validation,
        suffix="desk",
        seed=3,
        hyperparameters={"n_epochs": 2, "batch_size": 5, "learning_rate_multiplier": 0.5},
    )
    lost = job(client, TRAINED, hyperparameters={"n_epochs": 1})
    failed = job(client, examples(3))
    client.files.delete(lost.training_file)
    jobs = {"whole": whole, "lost": lost, "failed": failed}
    jobs = {name: ended(client, one) for name, one in jobs.items()}
    assert [jobs[n].status for n in jobs] == ["succeeded", "succeeded", "failed"]
    yield process, jobs
    process.end()


def postgrad(capsys, *arguments):
    capsys.readouterr()
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_whole_move(old, tmp_path, tiny_folder, capsys, monkeypatch):
    process, jobs = old
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    monkeypatch.setenv("OLD_KEY", "sk-very-secret")
    whole, lost = jobs["whole"], jobs["lost"]
    from_there = (
        "import",
        "openai",
        "--base-url",
        process.address,
        "--out",
        str(tmp_path / "moved"),
        "--key-env",
        "OLD_KEY",
    )
    code, out, _ = postgrad(capsys, *from_there)
    assert code == 0 and "3 jobs fetched, 1 of them with unavailable files." in out and "--retrain" in out
    assert f"the training file {lost.training_file} is not available: it was deleted there" in out
    folder = tmp_path / "moved"
    assert (folder / "files" / f"{whole.training_file}.jsonl").read_bytes() == TRAINED
    assert (folder / "files" / f"{whole.validation_file}.jsonl").read_bytes() == HELD
    assert (folder / "files" / f"{whole.result_files[0]}.csv").read_text().startswith("step,train_loss")
    kept = json.loads((folder / "jobs" / whole.id / "job.json").read_text())
    assert kept["hyperparameters"]["batch_size"] == 5 and kept["fine_tuned_model"] == whole.fine_tuned_model
    events = [json.loads(x)["message"] for x in (folder / "jobs" / whole.id / "events.jsonl").read_text().splitlines()]
    assert events[0].startswith("Created fine-tuning job") and events[-1] == "The job has successfully completed"

    times = {p: p.stat().st_mtime_ns for p in (folder / "files").iterdir()}
    again = (*from_there, "--retrain", "--compare", "--base", str(tiny_folder))
    code, out, error = postgrad(capsys, *again)
    assert code == 0, error
    assert {p: p.stat().st_mtime_ns for p in (folder / "files").iterdir()} == times, "nothing is fetched twice"
    assert "now: desk@1" in out and "1 retrained" in out and "held-out examples: retrained" in out
    entry = Catalogue().get("desk")
    settings = entry.details["training"]["settings"]
    assert (settings["epochs"], settings["batch_size"], settings["learning_rate"], settings["seed"]) == (
        2,
        5,
        1.5e-3,
        3,
    )
    engine = Engine(Catalogue(), [str(tiny_folder)])
    served = engine.find(whole.fine_tuned_model, "default", "org-local")
    assert served.entry is not None and served.entry.id == "desk@1" and served.name == whole.fine_tuned_model
    assert whole.fine_tuned_model in {name for name, _, _ in engine.names()}
    report = Report.model_validate_json((folder / "jobs" / whole.id / "comparison" / "report.json").read_text())
    assert {a.name: a.n for a in report.arms} == {"remote": 16, "fine_tuned": 16} and report.comparisons
    assert all(s.answers["remote"] for s in report.samples)

    code, out, error = postgrad(capsys, *again, "--json", "--job", whole.fine_tuned_model)
    assert code == 0 and json.loads(out)["jobs"][0]["retrained"]["model"] == "desk@1" and len(Catalogue().list()) == 1
    _, _, error = postgrad(capsys, *again, "--job", whole.id)
    assert "was queried 0 times" in error.replace("\n", " ") and "it is kept" in error.replace("\n", " ")
    everything = b"".join(p.read_bytes() for p in [*folder.rglob("*"), *tmp_path.rglob("catalogue.db*")] if p.is_file())
    assert b"sk-very-secret" not in everything and "sk-very-secret" not in out + error


def test_recorded_answers_stand_in_for_a_model_that_is_gone(old, tmp_path, tiny_folder, capsys, monkeypatch):
    process, jobs = old
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    lines = [json.loads(line)["messages"] for line in HELD.splitlines()]
    recorded = tmp_path / "answers.jsonl"
    recorded.write_text("\n".join(json.dumps({"messages": m[:1], "output_text": m[1]["content"]}) for m in lines[:12]))
    code, out, error = postgrad(
        capsys,
        "import",
        "openai",
        "--base-url",
        process.address,
        "--out",
        str(tmp_path / "moved"),
        "--job",
        jobs["whole"].id,
        "--retrain",
        "--compare",
        "--base",
        str(tiny_folder),
        "--answers",
        str(recorded),
    )
    assert code == 0, error
    assert "on 12 held-out examples" in out and "old model 100.0 %" in out
    assert "12 of 16 held-out examples have a recorded answer" in error.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["elsewhere"], "postgrad import openai"),
        (["openai", "--compare"], "--retrain"),
        (["openai", "--answers", "x.jsonl"], "--compare"),
        (["openai", "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["openai", "--base-url", "http://127.0.0.1:9/v1"], "could not be read"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("postgrad.workflows.import_openai.account._RETRIES", 0)
    code, _, error = postgrad(capsys, "import", *arguments)
    assert code == 2 and says in error.replace("\n", " ")


def test_an_unknown_job_is_named(old, capsys, tmp_path):
    process, _ = old
    code, _, error = postgrad(
        capsys, "import", "openai", "--base-url", process.address, "--out", str(tmp_path), "--job", "ftjob-nobody"
    )
    assert code == 2 and "no job 'ftjob-nobody'" in error.replace("\n", " ")


def test_a_wrong_key_is_said_without_the_key(monkeypatch, old):
    process, _ = old
    monkeypatch.setenv("OLD_KEY", "sk-very-secret")
    account = Account(process.address.replace("/v1", "/nowhere"), "OLD_KEY")
    with pytest.raises(Exception, match="could not be read") as caught:
        list(account.jobs())
    assert "sk-very-secret" not in str(caught.value)


def test_jobs_of_other_methods_and_one_that_began_with_another(old, tmp_path, tiny_folder, capsys, monkeypatch):
    process, jobs = old
    monkeypatch.setenv("POSTGRAD_DTYPE", "float32")
    client = openai.OpenAI(base_url=process.address, api_key="x", max_retries=0, timeout=60)

    pairs = list(preferences(34))
    held = client.files.create(file=io.BytesIO(lines(pairs[20:])), purpose="fine-tune").id
    made = [
        job(
            client,
            lines(pairs[:20]),
            jobs["whole"].fine_tuned_model,
            method=dpo(beta=0.5, n_epochs=1),
            suffix="pairs",
            validation_file=held,
        ),
        job(
            client,
            lines(tasks(10)),
            "o4-mini",
            method=reinforcement(n_epochs=1, compute_multiplier=0.25),
            suffix="graded",
        ),
    ]
    made = [ended(client, one) for one in made]
    assert [j.status for j in made] == ["succeeded"] * 2
    common = (
        "import",
        "openai",
        "--base-url",
        process.address,
        "--out",
        str(tmp_path / "moved"),
        "--retrain",
        "--base",
        str(tiny_folder),
    )
    named = [part for one in made for part in ("--job", one.id)]

    code, out, error = postgrad(capsys, *common, *named, "--json")
    found = {one["id"]: one for one in json.loads(out)["jobs"]}
    assert "which has not been retrained yet" in found[made[0].id]["failed"], (out, error)
    assert found[made[1].id]["retrained"]["model"] == "graded@1"

    code, out, error = postgrad(capsys, *common, *named, "--job", jobs["whole"].id, "--compare", "--json")
    assert code == 0, error
    found = {one["id"]: one for one in json.loads(out)["jobs"]}
    assert found[made[0].id]["retrained"]["model"] == "pairs@1" and "held-out examples" in found[made[0].id]["compared"]
    settings = {name: Catalogue().get(name).details["training"]["settings"] for name in ("desk", "pairs", "graded")}
    assert (settings["pairs"]["objective"], settings["pairs"]["beta"]) == ("dpo", 0.5)
    assert settings["pairs"]["start"] == Catalogue().get("desk").blob and settings["graded"]["objective"] == "grpo"
    assert settings["graded"]["samples"] == 2


def test_a_grader_that_asks_a_model_stays_where_it_is():
    grader = {"type": "score_model", "name": "s", "model": "gpt-4o", "input": []}
    job = {
        "id": "ftjob-1",
        "status": "succeeded",
        "method": {"type": "reinforcement", "reinforcement": {"grader": grader}},
    }
    assert "'gpt-4o'" in why_not(Fetched(job, Path("."), {"training": Path("x")}))


def test_names_of_models():
    tail = {"id": "ftjob-12345678"}
    assert name_for({**tail, "fine_tuned_model": "ft:gpt-4o-mini-2024-07-18:acme:my desk:abc"}) == "my-desk"
    assert name_for({**tail, "fine_tuned_model": "ft:gpt-4o-mini-2024-07-18:acme::abc"}) == "openai-abc"
    assert name_for({**tail, "fine_tuned_model": "ft:x:acme::abc", "user_provided_suffix": "q"}) == "q"
    for odd in ("../x", "a/b", "", "x" * 200, "a\0"):
        with pytest.raises(UsageError):
            safe(odd)


def test_result_files_in_base64_are_read():
    import base64

    table = b"step,train_loss\n1,0.5\n"
    assert decoded(base64.b64encode(table)) == table == decoded(table)
    assert decoded(TRAINED) == TRAINED and decoded(b"") == b""


def test_recorded_answers_in_their_shapes(tmp_path):
    from postgrad.records import Conversation, Message, Source

    ask = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "hi "}]}]
    choice = {"choices": [{"message": {"role": "assistant", "content": "hello"}}]}
    shapes = [
        {"messages": ask, "output_text": "hello"},
        {"messages": ask, **choice},
        {"request": {"messages": ask}, "response": choice},
        {"messages": [*ask, {"role": "assistant", "content": "hello"}]},
    ]
    record = Conversation(
        messages=(Message("system", "Be kind."), Message("user", "hi"), Message("assistant", "x")),
        source=Source("f", 1),
    )
    for shape in shapes:
        (tmp_path / "a.jsonl").write_text(json.dumps(shape))
        assert Recorded(tmp_path / "a.jsonl").answer(record) == "hello"
    for wrong in ("x", "[]", '{"messages": []}', '{"messages": "hi", "output_text": "x"}', ""):
        (tmp_path / "a.jsonl").write_text(wrong)
        with pytest.raises(DataError):
            Recorded(tmp_path / "a.jsonl")


def test_a_name_means_one_model_until_it_is_moved(own_home):
    catalogue = Catalogue()
    fields = {
        "base": "b",
        "base_hash": "h",
        "method": "lora",
        "template": "t",
        "data_hash": "d",
        "report": None,
        "details": {},
    }
    for blob in "ab":
        catalogue.add(name="desk", blob=blob, **fields)
    names = Names(catalogue)
    names.point("ft:gpt-4o-mini:acme::x", "desk@1", {"source": "openai"})
    assert names.entry("ft:gpt-4o-mini:acme::x").id == "desk@1" and names.entry("desk").id == "desk@2"
    names.point("ft:gpt-4o-mini:acme::x", "desk@2", {})
    assert names.all() == {"ft:gpt-4o-mini:acme::x": "desk@2"}
