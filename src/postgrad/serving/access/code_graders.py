"""Whether programs that clients send may run here: only where the operator switched it on and a sandbox works."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from postgrad.errors import UsageError
from postgrad.json_types import JsonMapping
from postgrad.sandbox.run import Sandbox, find_sandbox
from postgrad.serving.wire.api_errors import ApiError

SWITCH = "POSTGRAD_PYTHON_GRADERS"
"""Environment variable that lets graders of the type `python` run when it is 1."""


def sandbox_for(graders: Sequence[JsonMapping], param: str) -> Sandbox | None:
    """The sandbox that these graders need; None where none of them is a program.

    Raises:
        ApiError: one is, and programs are switched off here or there is no sandbox.
    """
    if not any(_is_program(grader) for grader in graders):
        return None
    if os.environ.get(SWITCH) != "1":
        raise ApiError(
            400,
            "Graders of the type 'python' are switched off on this server. Its operator can let them run in a sandbox:"
            f" {SWITCH}=1.",
            "python_graders_off",
            param,
        )
    try:
        return find_sandbox()
    except UsageError as error:
        raise ApiError(400, str(error), "no_sandbox", param) from error


def _is_program(grader: JsonMapping) -> bool:
    inner = grader.get("graders") or {}
    parts = inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, list) else []
    return grader.get("type") == "python" or any(isinstance(g, Mapping) and _is_program(g) for g in parts)
