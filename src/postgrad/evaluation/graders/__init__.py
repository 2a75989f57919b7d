"""Graders in the form of OpenAI's fine-tuning API: read, checked, run. The same code serves metrics and the HTTP
routes."""

from __future__ import annotations

from postgrad.evaluation.graders.grader_kinds import Grader, read_grader
from postgrad.evaluation.graders.grading import ModelCall, Reply, run, validate

__all__ = ["Grader", "ModelCall", "Reply", "read_grader", "run", "validate"]
