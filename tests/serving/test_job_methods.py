"""Jobs by preference and by reinforcement, through the unmodified SDK against a real server process."""

import io
import json
import os
import signal

import openai
import pytest
from openai.types.fine_tuning import FineTuningJob
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from postgrad.errors import UsageError
from postgrad.sandbox.run import find_sandbox
from tests.serving.running import Process, until
from tests.serving.test_job_runs import ASK, messages, retrieve, steps, until_status, until_step

CHECK = {
    "type": "string_check",
    "name": "has it",
    "input": "{{sample.output_text}}",
    "reference": "{{item.letter}}",
    "operation": "like",
}
PROGRAM = {
    "type": "python",
    "name": "p",
    "source": (
        "def grade(sample, item):\n    return sample['output_text'].count('e') / (1 + len(sample['output_text']))"
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    process = Process(tmp_path_factory.mktemp("server") / "home", tiny_folder)
    process.start()
    yield process
    process.end()


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.address, api_key="x", max_retries=0, timeout=60)


def preferences(count=20):
    things = ["sofa", "lamp", "chair", "table", "bed", "shelf", "rug", "desk", "mirror", "stool"]
    for i in range(count):
        asked = {"role": "user", "content": f"Where is my {things[i % 10]} number {i}?"}
        yield {
            "input": {"messages": [asked], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [{"role": "assistant", "content": f"The {things[i % 10]} {i} is on its way."}],
            "non_preferred_output": [{"role": "assistant", "content": f"No idea, ask somebody about {i}."}],
        }


def tasks(count=16):
    for i in range(count):
        yield {"messages": [{"role": "user", "content": f"Say number {i}, in words."}], "letter": "e", "n": i}


def create(client, rows, method, validation=None, **values):
    made = [
        client.files.create(file=io.BytesIO("\n".join(map(json.dumps, some)).encode()), purpose="fine-tune")
        for some in ([*rows], [*(validation or [])])
        if some
    ]
    second = {"validation_file": made[1].id} if validation else {}
    return client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=made[0].id, method=method, **second, **values
    )


def dpo(**hyperparameters):
    return {"type": "dpo", "dpo": {"hyperparameters": hyperparameters}}


def reinforcement(grader=CHECK, **hyperparameters):
    return {"type": "reinforcement", "reinforcement": {"grader": grader, "hyperparameters": hyperparameters}}


def last_metrics(client, job):
    events = client.fine_tuning.jobs.list_events(job.id, limit=100)
    return next(e.data for e in events if e.type == "metrics")


def table(client, job):
    lines = [line.split(",") for line in client.files.content(job.result_files[0]).text.splitlines()]
    return lines[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_a_job_of_preferences(client, server):
    rows = list(preferences(25))
    job = create(
        client,
        rows[:20],
        dpo(beta=0.5, n_epochs=4, learning_rate_multiplier=20),
        validation=rows[20:],
        seed=1,
        suffix="pref",
        extra_body={"patience": 50},
    )
    assert job.method.dpo.hyperparameters.batch_size == "auto" and job.hyperparameters.n_epochs is None
    job = until_status(client, job, "succeeded")
    FineTuningJob.model_validate(job.model_dump(warnings=False), strict=True)
    found = job.method.dpo.hyperparameters
    assert (found.beta, found.n_epochs, found.batch_size) == (0.5, 4, 4) and job.method.type == "dpo"
    data = last_metrics(client, job)
    assert data["train_loss"] < 0.6 and data["valid_reward_accuracy"] > 0.5 and data["full_valid_reward_margin"] > 0
    assert steps(client, job) == list(range(1, 21))
    head, lines = table(client, job)
    assert head[:5] == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert lines[0]["train_loss"].startswith("0.693") and lines[0]["train_reward_accuracy"] and len(lines) == 20
    assert float(lines[-1]["valid_reward_accuracy"]) == data["valid_reward_accuracy"]
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [c.step_number for c in checkpoints] == [20, 15, 10]
    FineTuningJobCheckpoint.model_validate(checkpoints[0].model_dump(), strict=True)
    assert checkpoints[0].metrics.model_dump()["train_reward_margin"] > 0
    for model in (job.fine_tuned_model, checkpoints[0].fine_tuned_model_checkpoint):
        assert client.chat.completions.create(model=model, messages=ASK, max_tokens=4).choices


def test_a_job_of_reinforcement_killed_in_the_middle(client, server):
    rows = list(tasks(16))
    method = reinforcement(
        n_epochs=4,
        batch_size=4,
        compute_multiplier=0.5,
        eval_interval=4,
        eval_samples=1,
        reasoning_effort="low",
        learning_rate_multiplier=30,
    )
    job = create(
        client, rows[:12], method, validation=rows[12:], seed=1, extra_body={"answer_tokens": 6, "patience": 50}
    )
    until_step(client, job, 3)
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    job = until_status(client, job, "succeeded")
    FineTuningJob.model_validate(job.model_dump(warnings=False), strict=True)
    assert job.method.reinforcement.grader.name == "has it"
    found = job.method.reinforcement.hyperparameters
    assert (found.compute_multiplier, found.eval_interval, found.n_epochs) == (0.5, 4, 4)
    told = messages(client, job)
    assert any("reasoning_effort is stored with the job but not used" in m for m in told)
    assert any("training reward mean=" in m and "full validation reward mean=" in m for m in told)
    assert steps(client, job) == list(range(1, 13))
    data = last_metrics(client, job)
    assert 0 <= data["train_reward_mean"] <= 1 and "valid_reward_mean" in data and "valid_loss" not in data
    head, lines = table(client, job)
    assert "train_reward_mean" in head and lines[3]["valid_reward_mean"] and not lines[2]["valid_reward_mean"]
    assert client.chat.completions.create(model=job.fine_tuned_model, messages=ASK, max_tokens=4).choices


def test_a_program_grades_where_there_is_a_sandbox_and_is_refused_where_not(client):
    try:
        find_sandbox()
    except UsageError:
        with pytest.raises(openai.BadRequestError, match="Python graders are off") as caught:
            create(client, tasks(10), reinforcement(PROGRAM))
        assert caught.value.param == "method.reinforcement.grader"
        return
    job = create(
        client,
        tasks(10),
        reinforcement(PROGRAM, n_epochs=1, batch_size=5, compute_multiplier=0.25),
        extra_body={"answer_tokens": 4},
    )
    job = until_status(client, job, "succeeded")
    assert last_metrics(client, job)["train_grader_errors"] == 0


@pytest.mark.parametrize(
    ("method", "words", "code"),
    [
        (reinforcement({**CHECK, "operation": "is"}), "operation", "invalid_grader"),
        (reinforcement({**CHECK, "input": "{{sample.text}}"}), "sample.text", "invalid_grader"),
        (
            reinforcement(
                {"type": "score_model", "name": "s", "model": "gpt-4o", "input": [{"role": "user", "content": "?"}]}
            ),
            "gpt-4o",
            "model_not_found",
        ),
    ],
)
def test_graders_that_cannot_run_are_refused_when_the_job_is_created(client, method, words, code):
    with pytest.raises(openai.BadRequestError, match=words) as caught:
        create(client, tasks(10), method)
    assert caught.value.code == code and caught.value.param == "method.reinforcement.grader"


def test_settings_of_another_method_are_refused(client):
    with pytest.raises(openai.BadRequestError, match="the loss 'dr_grpo' is not one of dpo"):
        create(client, preferences(10), dpo(), extra_body={"loss": "dr_grpo"})
    with pytest.raises(openai.BadRequestError, match="answer_tokens is read by grpo, rloo, distill, ppo, not by dpo"):
        create(client, preferences(10), dpo(), extra_body={"answer_tokens": 5})


def test_every_fault_of_the_file_is_named(client):
    rows = list(tasks(12))
    del rows[2]["letter"], rows[7]["letter"]
    rows[4]["messages"].append({"role": "assistant", "content": "four"})
    job = until_status(client, create(client, rows, reinforcement()), "failed")
    for fault in ("Example 3 has no value for {{item.letter}}", "Example 5 must end with", "Example 8 has no value"):
        assert fault in job.error.message
    assert job.error.code == "invalid_training_file"
    pairs = list(preferences(12))
    pairs[3]["non_preferred_output"][0]["content"] = None
    pairs[5]["input"]["messages"] = []
    job = until_status(client, create(client, pairs, dpo()), "failed")
    assert (
        "Example 4 under 'non_preferred_output'" in job.error.message and "Example 6 has no list" in job.error.message
    )


def test_cancelled_while_it_trains(client, server):
    job = create(client, preferences(20), dpo(n_epochs=50, batch_size=1))
    until_step(client, job, 3)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    until(lambda: not server.workers(), 30)
    assert retrieve(client, job).fine_tuned_model is None
