"""One row of an evaluation run: its answer, and what every criterion makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postgrad.errors import DataError
from postgrad.evaluation.graders import ModelCall, read_grader
from postgrad.evaluation.graders.grader_kinds import ScoreModel
from postgrad.evaluation.graders.grading import run_grader
from postgrad.evaluation.graders.outcome import Reply
from postgrad.evaluation.metrics.support.bounded_schema import BoundedSchema
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.registry.eval_tables import EvalItemRow
from postgrad.sandbox.run import Sandbox
from postgrad.serving.inference.internal_client import InternalClient, ModelReply
from postgrad.serving.jobs.eval_data import RowError, messages_for, sample_of
from postgrad.serving.storage.store import new_id, now
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.eval_requests import DIALECT

_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cached_tokens": 0}
FINAL_CODES = ("insufficient_quota", "model_not_found")
"""What is wrong for all further rows too: the run ends."""


class Judging:
    """Judges the rows of one run.

    Args:
        source: The run's `data_source`.
        schema: Of an item.
        criteria: The evaluation's.
        asker: Asks the run's model and those that grade.
        sandbox: Where python criteria run.
    """

    def __init__(
        self,
        source: JsonMapping,
        schema: JsonMapping,
        criteria: Sequence[JsonMapping],
        asker: InternalClient,
        sandbox: Sandbox | None,
    ) -> None:
        self._source, self._asker, self._sandbox = source, asker, sandbox
        self._valid = BoundedSchema(schema, DIALECT)
        self._criteria = [
            (read_grader({k: v for k, v in c.items() if k != "pass_threshold"}), c.get("pass_threshold"))
            for c in criteria
        ]

    def row(
        self, run_id: str, place: int, item: JsonObject, given: JsonObject | None
    ) -> tuple[EvalItemRow, list[JsonObject]]:
        """The row's result, and the tokens that it cost by model.

        Raises:
            ApiError: what is wrong for every row.
            Interrupted: the server stops.
        """
        usages: list[JsonObject] = []
        sample, view, fault = self._answer(item, given, usages)
        results = [] if fault else [self._judge(n, sample, item, usages) for n in range(len(self._criteria))]
        status = "error" if fault else "pass" if all(r["passed"] for r in results) else "fail"
        return (
            EvalItemRow(
                id=new_id("outputitem_"),
                run_id=run_id,
                created_at=now(),
                place=place,
                status=status,
                item=item,
                results=results,
                sample=view,
            ),
            usages,
        )

    def _answer(
        self, item: JsonObject, given: JsonObject | None, usages: list[JsonObject]
    ) -> tuple[JsonObject, JsonObject, bool]:
        """The sample as graders see it and as clients do, and whether there is none."""
        model = self._source.get("model") or ""
        if message := self._unfit(item):
            return {}, _view(model, [], error=("invalid_item", message)), True
        if self._source["type"] == "jsonl":
            sample = sample_of(given)
            text = sample.get("output_text")
            output = [{"role": "assistant", "content": text}] if isinstance(text, str) else []
            return sample, _view(str(sample.get("model") or ""), [], output), False
        messages: list[JsonObject] = []
        try:
            messages = messages_for(self._source["input_messages"], item)
            said = self._asker.ask(model, messages, self._source["sampling_params"])
        except (RowError, DataError) as error:
            return {}, _view(model, messages, error=("invalid_item", str(error))), True
        except ApiError as error:
            told = error.body["error"]
            if told["code"] in FINAL_CODES:
                raise
            return {}, _view(model, messages, error=(told["code"] or "error", told["message"])), True
        usages.append(_usage(model, said.completion.prompt_tokens, said.completion.completion_tokens))
        return sample_of(_sample(model, said)), _asked_view(model, messages, said), False

    def _unfit(self, item: JsonObject) -> str:
        """What the schema says against an item; empty where it accepts."""
        try:
            wrong = next(iter(self._valid.faults(item, most=1)), None)
        except ValueError as error:
            return f"The item cannot be held against the evaluation's item_schema: {error}."
        if wrong is None:
            return ""
        where = ".".join(map(str, wrong.absolute_path))
        return (
            f"The item does not match the evaluation's item_schema{' at ' + where if where else ''}:"
            f" {wrong.message[:300]}."
        )

    def _judge(self, n: int, sample: JsonObject, item: JsonObject, usages: list[JsonObject]) -> JsonObject:
        form, threshold = self._criteria[n]
        outcome = run_grader(form, sample, item, self._grading(usages), self._sandbox)
        faults = {k: v for k, v in outcome.faults.items() if v}
        if threshold is None:
            threshold = sum(form.range) / 2 if isinstance(form, ScoreModel) else 0.5
        result = {
            "name": form.name,
            "type": form.type,
            "score": outcome.reward,
            "passed": not faults and outcome.reward >= threshold,
        }
        if outcome.replies:
            result["sample"] = {"model": outcome.replies[-1].model, "output_text": outcome.replies[-1].text}
        return {**result, "errors": faults} if faults else result

    def _grading(self, usages: list[JsonObject]) -> ModelCall:
        """Asks, and counts what it costs."""
        ask = self._asker.grading()

        def call(model: str, chat: Sequence[Mapping[str, str]], sampling: JsonMapping) -> Reply:
            reply = ask(model, chat, sampling)
            usages.append(_usage(model, reply.prompt_tokens, reply.completion_tokens))
            return reply

        return call


def _usage(model: str, prompt: int, new: int) -> JsonObject:
    return {"model_name": model, "prompt_tokens": prompt, "completion_tokens": new}


def _sample(model: str, said: ModelReply) -> JsonObject:
    return {"model": model, "output_text": said.text, "output_tools": list(said.calls)}


def _asked_view(model: str, messages: list[JsonObject], said: ModelReply) -> JsonObject:
    done, decoding = said.completion, said.decoding
    used = {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
        "cached_tokens": 0,
    }
    message: JsonObject = {"role": "assistant", "content": said.text or (None if said.calls else "")}
    if said.calls:
        message["tool_calls"] = list(said.calls)
    view = _view(model, messages, [message], done.finish, used)
    return view | {
        "max_completion_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": decoding.seed,
    }


def _view(
    model: str,
    messages: list[JsonObject],
    output: Sequence[JsonMapping] = (),
    finish: str = "stop",
    usage: Mapping[str, int] | None = None,
    error: tuple[str, str] | None = None,
) -> JsonObject:
    """OpenAI's sample of an output item."""
    return {
        "error": {"code": error[0], "message": error[1]} if error else None,
        "finish_reason": "error" if error else finish,
        "input": messages,
        "output": list(output),
        "model": model,
        "usage": dict(usage or _NO_USAGE),
        "max_completion_tokens": 0,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 0,
    }
