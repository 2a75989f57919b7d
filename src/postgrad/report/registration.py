"""What was fixed before anything was measured, and how often the test part was judged, as the report says it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class EarlierLookPart(_Part):
    """Another recipe that was judged on the same test part before: look number `look`."""

    look: int
    registered: str
    metric: str
    smallest_worth: float


class RegistrationPart(_Part):
    """What was written down before the first arm was measured, and which look at this test part it is.

    `test` is the hash of the test records, `plan` that of everything that decides the judgement (recipe, training and
    validation records, metric), `rules` the version of the rules, `registered` when it was first written, in UTC. From
    look 2 on the intervals of differences in `comparisons` are taken at `confidence` each, and their adjusted p-values
    multiplied by `times`.
    """

    test: str
    plan: str
    metric: str
    smallest_worth: float
    rules: str
    registered: str
    look: int = 1
    times: int = 1
    confidence: float = 0.95
    earlier: list[EarlierLookPart] = []
    sentence: str = ""
