"""Graders and evaluations through the unmodified SDK against a real server, restarts in the middle included."""

import asyncio
import io
import json
import time

import httpx
import openai
import pytest
from openai.types import EvalCreateResponse, EvalListResponse
from openai.types.evals import RunRetrieveResponse
from openai.types.evals.runs import OutputItemListResponse
from openai.types.fine_tuning.alpha import GraderRunResponse, GraderValidateResponse

from postgrad.errors import UsageError
from postgrad.registry import Catalogue
from postgrad.registry.keys import Keys
from postgrad.sandbox.run import find_sandbox
from postgrad.serving.app import make_app
from postgrad.serving.inference.engine import Engine
from postgrad.serving.jobs import eval_queue, eval_worker
from postgrad.serving.jobs.eval_data import rows_path
from tests.needs import service_missing
from tests.serving.loopback import running
from tests.serving.running import until

SAME = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.right}}",
    "operation": "eq",
}
NEAR = {
    "type": "text_similarity",
    "name": "near",
    "input": "{{sample.output_text}}",
    "reference": "{{ item.right }}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.5,
}
SCORE = {
    "type": "score_model",
    "name": "score",
    "model": "tiny",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
    "sampling_params": {"max_completions_tokens": 8},
}
LABEL = {
    "type": "label_model",
    "name": "label",
    "model": "tiny",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
    "labels": ["a", "b"],
    "passing_labels": ["a"],
}
PROGRAM = {
    "type": "python",
    "name": "program",
    "source": "def grade(sample, item):\n    return float(sample['output_text'] == item['right'])",
}
CONFIG = {
    "type": "custom",
    "include_sample_schema": True,
    "item_schema": {"type": "object", "properties": {"right": {"type": "string"}}, "required": ["right"]},
}
ERROR = {"code": "none", "message": ""}  # the real service sends null, which the SDK's types do not foresee


def app(tiny_folder):
    return make_app(Engine(Catalogue(), [str(tiny_folder)], {"tiny": str(tiny_folder)}))


@pytest.fixture
def address(tiny_folder):
    with running(app(tiny_folder)) as url:
        yield url


@pytest.fixture
def client(address):
    return openai.OpenAI(base_url=address, api_key="x", max_retries=0, timeout=60)


def rows(*answers):
    return [{"item": {"right": "yes"}, "sample": {"output_text": a}} for a in answers]


def jsonl(*answers):
    return {"type": "jsonl", "source": {"type": "file_content", "content": rows(*answers)}}


def asked(count=2, **more):
    return {
        "type": "completions",
        "model": "tiny",
        "source": {
            "type": "file_content",
            "content": [{"item": {"right": "yes", "q": f"number {i}"}} for i in range(count)],
        },
        "input_messages": {
            "type": "template",
            "template": [
                {"role": "developer", "content": "Answer."},
                {"role": "user", "content": {"type": "input_text", "text": "Say {{item.q}}"}},
            ],
        },
        "sampling_params": {"max_completion_tokens": 6, "temperature": 0, "seed": 3},
        **more,
    }


def ended(client, run):
    def look():
        now = client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
        return now if now.status not in ("queued", "in_progress") else None

    return until(look, 60, 0.05)


def checked(shape, thing):
    raw = thing.model_dump(by_alias=True, warnings=False)
    for part in (raw, raw.get("sample") or {}):
        if part.get("error", 1) is None:
            part["error"] = ERROR
    return shape.model_validate(raw, strict=True)


def make(client, *criteria, **more):
    return client.evals.create(data_source_config=CONFIG, testing_criteria=list(criteria) or [SAME], **more)


def test_graders_are_run_and_validated(client):
    graders = client.fine_tuning.alpha.graders
    done = graders.run(grader=SAME, model_sample="yes", item={"right": "yes"})
    assert checked(GraderRunResponse, done).reward == 1 and not done.metadata.errors.other_error
    both = {
        "type": "multi",
        "name": "both",
        "graders": {"a": SAME, "b": {k: v for k, v in NEAR.items() if k != "pass_threshold"}},
        "calculate_output": "(a + b) / 2",
    }
    done = checked(GraderRunResponse, graders.run(grader=both, model_sample="yes", item={"right": "yes"}))
    assert done.sub_rewards == {"a": 1.0, "b": 1.0} and done.reward == 1
    scored = checked(GraderRunResponse, graders.run(grader=SCORE, model_sample="fine"))
    usage = scored.api_model_grader_token_usage_per_model["tiny"]
    assert usage["completion_tokens"] <= 8 and scored.metadata.token_usage == usage["total_tokens"]
    assert scored.metadata.sampled_model_name == "tiny"
    nobody = graders.run(grader={**LABEL, "model": "nobody"}, model_sample="fine")
    assert nobody.metadata.errors.api_model_grader_server_error and "nobody" in str(nobody.metadata.errors)
    checked(GraderValidateResponse, graders.validate(grader=SAME))
    for wrong in ({**SAME, "operation": "is"}, {**SAME, "input": "{{sample.text}}"}, {"type": "magic"}):
        for call in (graders.validate, lambda **k: graders.run(model_sample="x", **k)):
            with pytest.raises(openai.BadRequestError) as caught:
                call(grader=wrong)
            assert caught.value.param == "grader" and caught.value.code == "invalid_grader"


def test_programs_are_refused_unless_switched_on(client, monkeypatch):
    for call in (
        lambda: client.fine_tuning.alpha.graders.run(grader=PROGRAM, model_sample="yes", item={"right": "yes"}),
        lambda: make(client, PROGRAM),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            call()
        assert caught.value.code == "python_graders_off" and "POSTGRAD_PYTHON_GRADERS" in caught.value.message
    try:
        find_sandbox()
    except UsageError as error:
        monkeypatch.setenv("POSTGRAD_PYTHON_GRADERS", "1")
        with pytest.raises(openai.BadRequestError) as caught:
            make(client, PROGRAM)
        assert caught.value.code == "no_sandbox"
        service_missing(f"no sandbox: {error.message}", "bubblewrap")
    monkeypatch.setenv("POSTGRAD_PYTHON_GRADERS", "1")
    done = client.fine_tuning.alpha.graders.run(grader=PROGRAM, model_sample="yes", item={"right": "yes"})
    assert done.reward == 1


def test_an_evaluation_of_answers_that_are_there(client):
    made = make(client, SAME, NEAR, {**SAME, "operation": "ne"}, name="first", metadata={"team": "a"})
    checked(EvalCreateResponse, made)
    assert [c.name for c in made.testing_criteria] == ["same", "near", "same-2"]
    run = client.evals.runs.create(made.id, data_source=jsonl("yes", "yet", "no"), name="one")
    assert run.status == "queued" and run.result_counts.total == 0
    run = checked(RunRetrieveResponse, ended(client, run))
    assert run.status == "completed" and run.result_counts.model_dump() == {
        "passed": 0,
        "failed": 3,
        "errored": 0,
        "total": 3,
    }
    by = {c.testing_criteria: (c.passed, c.failed) for c in run.per_testing_criteria_results}
    assert by == {"same": (1, 2), "near": (2, 1), "same-2": (2, 1)} and run.per_model_usage == []
    items = list(client.evals.runs.output_items.list(run.id, eval_id=made.id, limit=1))
    assert [i.sample.output[0].content for i in items] == ["yes", "yet", "no"]
    assert [i.datasource_item_id for i in items] == [0, 1, 2]
    for one in items:
        checked(OutputItemListResponse, one)
        again = client.evals.runs.output_items.retrieve(one.id, eval_id=made.id, run_id=run.id)
        assert [r.model_dump() for r in again.results] == [r.model_dump() for r in one.results]
    page = httpx.get(run.report_url)
    assert page.status_code == 200 and "0 of 3 rows passed" in page.text and "script" not in page.text
    assert httpx.get(run.report_url.replace(run.id, "evalrun_other")).status_code == 404
    assert "yet" in page.text and page.headers["content-type"].startswith("text/html")


def test_a_model_of_this_server_is_asked(client):
    made = make(client, NEAR, SCORE)
    run = ended(client, client.evals.runs.create(made.id, data_source=asked()))
    assert run.status == "completed" and run.result_counts.total == 2 and run.result_counts.errored == 0
    usage = run.per_model_usage[0]
    assert usage.run_model_name == "tiny" and usage.invocation_count == 4 and usage.total_tokens > 0
    items = list(client.evals.runs.output_items.list(run.id, eval_id=made.id))
    direct = client.chat.completions.create(
        model="tiny",
        max_tokens=6,
        temperature=0,
        seed=3,
        messages=[{"role": "developer", "content": "Answer."}, {"role": "user", "content": "Say number 1"}],
    )
    sample = items[1].sample
    assert sample.output[0].content == direct.choices[0].message.content
    assert sample.input[1].content == "Say number 1" and sample.seed == 3 and sample.max_completion_tokens == 6
    assert sample.usage.prompt_tokens == direct.usage.prompt_tokens
    checked(OutputItemListResponse, items[1])


def test_files_references_and_the_responses_form(client):
    made = make(client)
    lines = [{"item": {"right": "yes", "talk": [{"role": "user", "content": "hi"}]}}, {"item": {"right": 7}}, {"x": 1}]
    data = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=io.BytesIO(data), purpose="evals")
    source = {
        "type": "responses",
        "model": "tiny",
        "source": {"type": "file_id", "id": file.id},
        "input_messages": {"type": "item_reference", "item_reference": "item.talk"},
        "sampling_params": {"max_completion_tokens": 4, "text": {"format": {"type": "json_object"}}},
    }
    run = client.evals.runs.create(made.id, data_source=source)
    client.files.delete(file.id)
    run = ended(client, run)
    assert run.result_counts.model_dump() == {"passed": 0, "failed": 1, "errored": 2, "total": 3}
    items = list(client.evals.runs.output_items.list(run.id, eval_id=made.id))
    assert items[0].sample.output[0].content.startswith("{")
    assert [i.status for i in items] == ["fail", "error", "error"]
    assert "item_schema at right" in items[1].sample.error.message and not rows_path(run.id).exists()
    assert [i.id for i in client.evals.runs.output_items.list(run.id, eval_id=made.id, status="fail")] == [items[0].id]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"type": "jsonl", "source": {"type": "stored_completions"}}, "nothing_stored"),
        (
            {
                "type": "responses",
                "model": "tiny",
                "source": {"type": "responses"},
                "input_messages": asked()["input_messages"],
            },
            "nothing_stored",
        ),
        (asked(model="nobody"), "model_not_found"),
        (asked(model=None), "missing_required_parameter"),
        (asked(input_messages=None), "missing_required_parameter"),
        (asked(sampling_params={"temperature": 9}), "invalid_value"),
        (asked(sampling_params={"colour": 9}), "unknown_parameter"),
        (
            asked(input_messages={"type": "template", "template": [{"role": "user", "content": "{{thing}}"}]}),
            "invalid_value",
        ),
        (
            asked(
                input_messages={
                    "type": "template",
                    "template": [{"role": "user", "content": {"type": "input_image", "image_url": "x"}}],
                }
            ),
            "invalid_value",
        ),
        ({"type": "jsonl", "source": {"type": "file_id", "id": "file-nobody"}}, None),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_at_once(client, source, code):
    made = make(client)
    with pytest.raises(openai.APIStatusError) as caught:
        client.evals.runs.create(made.id, data_source=source)
    assert caught.value.status_code in (400, 404) and caught.value.code == code
    assert not list(client.evals.runs.list(made.id))


@pytest.mark.parametrize(
    ("config", "criteria", "code"),
    [
        ({"type": "logs"}, [SAME], "nothing_stored"),
        ({"type": "stored_completions", "metadata": {"a": "b"}}, [SAME], "nothing_stored"),
        ({"type": "custom"}, [SAME], "missing_required_parameter"),
        ({"type": "custom", "item_schema": {"type": "colour"}}, [SAME], "invalid_json_schema"),
        (CONFIG, [{**NEAR, "pass_threshold": None}], "missing_required_parameter"),
        (CONFIG, [{"type": "multi", "name": "m", "graders": {"a": SAME}, "calculate_output": "a"}], "invalid_value"),
        (CONFIG, [{**SAME, "input": "{{item.}}"}], "invalid_grader"),
        (CONFIG, [], "invalid_value"),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(client, config, criteria, code):
    with pytest.raises(openai.BadRequestError) as caught:
        client.evals.create(data_source_config=config, testing_criteria=criteria)
    assert caught.value.code == code


def test_what_json_cannot_hold_never_comes_back_as_a_fault(client, address):
    made = make(client)
    for odd in ('{"right": "\\ud800"}', '{"right": "x", "n": NaN}', '{"right": "x", "n": -Infinity}'):
        source = '{"type": "file_content", "content": [{"item": ODD}]}'.replace("ODD", odd)
        body = '{"data_source": {"type": "jsonl", "source": SOURCE}}'.replace("SOURCE", source)
        answer = httpx.post(
            f"{address}/evals/{made.id}/runs", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400 and answer.json()["error"]["param"].startswith(
            "data_source.source.content.0.item"
        ), odd
        file = client.files.create(file=io.BytesIO(f'{{"item": {odd}}}'.encode()), purpose="evals")
        run = client.evals.runs.create(
            made.id, data_source={"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
        )
        assert ended(client, run).result_counts.total == 1
        assert len(list(client.evals.runs.output_items.list(run.id, eval_id=made.id))) == 1
    schema = {**CONFIG, "item_schema": {"$ref": "http://127.0.0.1:9/schema"}}
    remote = client.evals.create(data_source_config=schema, testing_criteria=[SAME])
    run = ended(client, client.evals.runs.create(remote.id, data_source=jsonl("yes")))
    assert run.result_counts.errored == 1, "a schema opens no network"


def test_lists_changes_and_deletion(client):
    made = [make(client, name=f"n{i}") for i in range(5)]
    assert [e.id for e in client.evals.list(limit=2)] == [e.id for e in made]
    assert [e.id for e in client.evals.list(limit=2, order="desc")] == [e.id for e in made[::-1]]
    changed = client.evals.update(made[1].id, name="other", metadata={"a": "b"})
    assert changed.name == "other" and client.evals.retrieve(made[1].id).metadata == {"a": "b"}
    assert client.evals.update(made[1].id, name="third").metadata == {"a": "b"}
    listed = list(client.evals.list(limit=2, order_by="updated_at"))
    assert len({e.id for e in listed}) == 5
    assert list(client.evals.list(limit=2, order_by="updated_at", order="desc")) == listed[::-1]
    checked(EvalListResponse, listed[0])
    runs = [client.evals.runs.create(made[0].id, data_source=jsonl("yes")) for _ in range(3)]
    for run in runs:
        ended(client, run)
    assert [r.id for r in client.evals.runs.list(made[0].id, limit=1, status="completed")] == [r.id for r in runs]
    assert client.evals.runs.delete(runs[0].id, eval_id=made[0].id).deleted
    gone = client.evals.delete(made[0].id)
    assert gone.deleted and gone.eval_id == made[0].id
    for call in (
        lambda: client.evals.retrieve(made[0].id),
        lambda: client.evals.runs.retrieve(runs[1].id, eval_id=made[0].id),
        lambda: client.evals.runs.retrieve(runs[1].id, eval_id=made[1].id),
    ):
        with pytest.raises(openai.NotFoundError):
            call()


@pytest.mark.parametrize("spelling", ["", "/cancel"])
def test_a_run_is_canceled_in_both_spellings(client, address, spelling):
    made = make(client)
    run = client.evals.runs.create(made.id, data_source=asked(300))
    said = httpx.post(f"{address}/evals/{made.id}/runs/{run.id}{spelling}", json={})
    assert said.status_code == 200 and said.json()["status"] == "canceled"


def test_a_long_run_is_canceled(client):
    made = make(client)
    run = client.evals.runs.create(made.id, data_source=asked(3000))
    until(lambda: client.evals.runs.retrieve(run.id, eval_id=made.id).result_counts.total > 0, 30, 0.05)
    assert client.evals.runs.cancel(run.id, eval_id=made.id).status == "canceled"
    with pytest.raises(openai.BadRequestError):
        client.evals.runs.cancel(run.id, eval_id=made.id)
    after = client.evals.runs.create(made.id, data_source=jsonl("yes"))
    assert ended(client, after).result_counts.passed == 1
    assert client.evals.runs.retrieve(run.id, eval_id=made.id).result_counts.total < 3000


@pytest.mark.parametrize("orderly", [True, False])
def test_a_run_survives_the_server(tiny_folder, monkeypatch, orderly):
    monkeypatch.setattr(eval_queue, "SILENCE", 1.0)
    if not orderly:  # as after kill -9: nobody says that the worker has gone
        monkeypatch.setattr(eval_queue.EvalQueue, "let_go", lambda *_: None)
    with running(app(tiny_folder)) as url:
        client = openai.OpenAI(base_url=url, api_key="x", max_retries=0)
        made = make(client, NEAR)
        run = client.evals.runs.create(made.id, data_source=asked(60))
        until(lambda: client.evals.runs.retrieve(run.id, eval_id=made.id).result_counts.total > 5, 30, 0.02)
    with running(app(tiny_folder)) as url:
        client = openai.OpenAI(base_url=url, api_key="x", max_retries=0)
        done = ended(client, client.evals.runs.retrieve(run.id, eval_id=made.id))
        assert done.status == "completed" and done.result_counts.total == 60
        items = client.evals.runs.output_items.list(run.id, eval_id=made.id, limit=100)
        assert sorted(i.datasource_item_id for i in items) == list(range(60))


def test_runs_of_several_projects_take_turns(address, monkeypatch):
    monkeypatch.setattr(eval_worker, "TURN_S", 0.2)
    keys, clients = Keys(Catalogue()), []
    for project in ("large", "small"):
        secret, _ = keys.create(project, project=project)
        clients.append(openai.OpenAI(base_url=address, api_key=secret, timeout=60))
    time.sleep(2.1)
    large, small = clients
    runs = []
    for client, counts in ((large, (120, 120)), (small, (3,))):
        made = make(client, NEAR)
        runs += [client.evals.runs.create(made.id, data_source=asked(count)) for count in counts]
    first, second, short = runs
    assert ended(small, short).result_counts.total == 3
    before = large.evals.runs.retrieve(first.id, eval_id=first.eval_id)
    assert before.status == "in_progress", "the others had their turn in its middle"
    assert ended(large, first).result_counts.total == 120 and ended(large, second).result_counts.total == 120
    items = large.evals.runs.output_items.list(first.id, eval_id=first.eval_id, limit=100)
    assert sorted(i.datasource_item_id for i in items) == list(range(120)), "none is left out or done twice"


def test_a_quota_ends_requests_and_runs(address):
    keys = Keys(Catalogue())
    secret, _ = keys.create("small", tokens_per_month=400)
    other, _ = keys.create("large")
    time.sleep(2.1)
    client = openai.OpenAI(base_url=address, api_key=secret, timeout=60)
    made = make(client)
    run = ended(client, client.evals.runs.create(made.id, data_source=asked(500)))
    assert run.status == "failed" and run.error.code == "insufficient_quota" and 0 < run.result_counts.total < 50
    start = time.monotonic()
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}], max_tokens=4)
    assert caught.value.code == caught.value.type == "insufficient_quota" and time.monotonic() - start < 2
    graded = openai.OpenAI(base_url=address, api_key=other).fine_tuning.alpha.graders
    assert graded.run(grader=SCORE, model_sample="x").metadata.token_usage > 0
    with pytest.raises(openai.NotFoundError):
        client_of_another = openai.OpenAI(base_url=address, api_key=keys.create("o", project="other")[0])
        client_of_another.evals.retrieve(made.id)


def test_the_asynchronous_sdk(address):
    async def go():
        async with openai.AsyncOpenAI(base_url=address, api_key="x") as client:
            made = await client.evals.create(data_source_config=CONFIG, testing_criteria=[SAME])
            run = await client.evals.runs.create(made.id, data_source=jsonl("yes", "no"))
            while run.status in ("queued", "in_progress"):
                await asyncio.sleep(0.05)
                run = await client.evals.runs.retrieve(run.id, eval_id=made.id)
            items = [i async for i in client.evals.runs.output_items.list(run.id, eval_id=made.id, limit=1)]
            return [i.status for i in items]

    assert asyncio.run(go()) == ["pass", "fail"]
