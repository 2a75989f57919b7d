"""The part of the report on the user's must-pass cases."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class FailedCasePart(_Part):
    """A must-pass case that an arm failed: where it stands, and what was answered."""

    arm: str
    case: str
    prompt: str
    reference: str
    answer: str
    score: float


class MustPassPart(_Part):
    """The user's own cases, of which a trained arm that is recommended fails none.

    A case is passed with a score of at least `least`. `asked` are the arms that answered them. `in_training` counts the
    cases whose request stands in the training part.
    """

    cases: int
    least: float
    asked: list[str]
    failed: list[FailedCasePart] = []
    in_training: int = 0
    sentence: str = ""

    def failures(self, arm: str) -> list[str]:
        """The cases that an arm failed, by where they stand."""
        return [f.case for f in self.failed if f.arm == arm]
