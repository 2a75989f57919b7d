"""Models that judge are asked about all answers at once: one batch instead of one chat after another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from postgrad.errors import PostgradError, UsageError
from postgrad.evaluation.graders.grader_kinds import Grader
from postgrad.evaluation.graders.grading import ModelCall, chats_of
from postgrad.evaluation.graders.outcome import Reply
from postgrad.evaluation.metrics.support.metric import AskModel
from postgrad.json_types import JsonMapping


def judged_together(
    ask: AskModel, judge: str, form: Grader, answers: Iterable[tuple[JsonMapping, JsonMapping]]
) -> ModelCall:
    """What `run_grader` asks a model with, once the judge has been asked about all of these answers.

    Where it cannot be asked about all of them (one is too long, an address fails), each is asked on its own, so that
    the fault is that answer's alone.

    Args:
        ask: The model that judges, whichever the grader names; equal chats are asked once.
        judge: Its name; empty: the grader's own.
        form: The grader.
        answers: (sample, item) of each answer.
    """
    chats = {_key(chat): chat for sample, item in answers for chat in chats_of(form, sample, item)}
    known: dict[str, str] = {}
    if chats:
        try:
            known = dict(zip(chats, ask(list(chats.values())), strict=True))
        except UsageError:
            raise
        except PostgradError:
            known = {}  # and each is asked on its own, below

    def call(model: str, chat: Sequence[Mapping[str, str]], sampling: JsonMapping) -> Reply:
        text = known[key] if (key := _key(chat)) in known else ask([chat])[0]
        return Reply(text, model=judge or model)

    return call


def _key(chat: Sequence[Mapping[str, str]]) -> str:
    return json.dumps([dict(message) for message in chat])
