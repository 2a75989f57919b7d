"""A remote model on the test part: asked over the network with the same messages and tools, judged by the same
metric."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from postgrad.evaluation.arms import Arm
from postgrad.evaluation.measure import scored
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.scores import Groups
from postgrad.json_types import Json
from postgrad.measures import ArmResult
from postgrad.models.generation.generate import Completion
from postgrad.models.remote.client import RemoteAnswer
from postgrad.models.remote.rules import Asking, TokenPrice
from postgrad.progress import Said, Working
from postgrad.records import Message, Record, ToolDefinition, tools_of

AskRemote = Callable[
    [Sequence[tuple[Message, ...]], Asking, Sequence[Sequence[ToolDefinition]]], Working[list[RemoteAnswer | None]]
]
"""Conversations, how to ask, and the tools of each, in; an answer for each, None where the budget ended."""


class IncompleteError(Exception):
    """Why an arm has not answered every example; what was answered is kept."""


def measure_remote(
    arm: Arm,
    ask: AskRemote,
    test: Sequence[Record],
    choice: MetricChoice,
    groups: Groups,
    asking: Asking,
    price: TokenPrice | None,
    budget: str,
) -> Working[ArmResult]:
    """A remote model on the whole test part.

    Args:
        arm: How it is asked.
        budget: What limits it, in words.

    Raises:
        IncompleteError: the budget ended before the last answer.
        ModelError: the server goes on failing; what was answered is kept and not paid again.
        Interrupted: the job was stopped; the same holds.
    """
    asked = [arm.ask(r) for r in test]
    answers = yield from ask(asked, asking, [tools_of(r) for r in test])
    given = [a for a in answers if a is not None]
    if len(given) < len(answers):
        raise IncompleteError(
            f"the budget of {budget} was used up after {len(given)} of {len(answers)} answers, which are kept. "
            "The same command with a larger budget continues from there."
        )
    if remark := _remark(arm.name, given, asking.max_new_tokens):
        yield Said(remark, warning=True)
    completions = [Completion(_text(a), a.finish, a.prompt_tokens, a.completion_tokens, 0.0, a.seconds) for a in given]
    tokens = [sum(a.prompt_tokens for a in given), sum(a.completion_tokens for a in given)]
    cost = 1000 * price.of(*tokens) / len(given) if price and given else None
    result = yield from scored(arm, completions, test, choice, groups, asked, cost)
    refused = sum(a.finish == "refused" for a in given) / max(1, len(given))
    return replace(result, metrics={**result.metrics, **({"refused": refused} if refused else {})})


def _remark(name: str, answers: Sequence[RemoteAnswer], room: int) -> str:
    """What a reader of its score must know."""
    parts = []
    cut = sum(a.finish == "length" for a in answers)
    refused = [a for a in answers if a.finish == "refused"]
    if cut > len(answers) // 4:
        parts.append(
            f"{cut} of {len(answers)} answers of {name} were cut at {room} tokens: reasoning models"
            " require more (evaluation.remote_max_tokens)."
        )
    if refused:
        parts.append(
            f"{name} refused {len(refused)} of {len(answers)} requests, which count as wrong; for example:"
            f" {refused[0].note}"
        )
    return " ".join(parts)


def _text(answer: RemoteAnswer) -> str:
    """The answer with its calls of tools spelled into the text, as metrics read them."""
    calls = [call.get("function") or {} for call in answer.tool_calls]
    spelled = [json.dumps({"name": c.get("name"), "arguments": _arguments(c.get("arguments"))}) for c in calls]
    return answer.text + "".join(f"<tool_call>{call}</tool_call>" for call in spelled)


def _arguments(value: Json) -> Json:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
