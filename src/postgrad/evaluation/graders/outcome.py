"""What a run of a grader gives back, in the words of OpenAI's API: the reward and every kind of fault by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from postgrad.json_types import JsonObject

FLAGS = (
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
)
DETAILS = (
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model that grades said."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refused: bool = False
    model: str = ""


@dataclass
class GraderResult:
    """The reward of one grader and how it came about; `faults` are flags (True) and details (text) by name."""

    reward: float = 0.0
    faults: JsonObject = field(default_factory=dict)
    sub_rewards: dict[str, float] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)

    def fault(self, flag: str, **details: str) -> GraderResult:
        """Notes a fault; the reward is 0."""
        self.reward = 0.0
        self.faults |= {flag: True, **details}
        return self

    def body(self, name: str, kind: str, seconds: float) -> JsonObject:
        """The response, with every key that the API requires."""
        usage = _by_model(self.replies)
        total = sum(u["total_tokens"] for u in usage.values())
        errors = {flag: bool(self.faults.get(flag)) for flag in FLAGS} | {d: self.faults.get(d) for d in DETAILS}
        return {
            "reward": self.reward,
            "metadata": {
                "name": name,
                "type": kind,
                "errors": errors,
                "execution_time": seconds,
                "scores": dict(self.sub_rewards),
                "token_usage": total or None,
                "sampled_model_name": self.replies[-1].model if self.replies else None,
            },
            "sub_rewards": dict(self.sub_rewards),
            "model_grader_token_usage_per_model": usage,
        }


def _by_model(replies: list[Reply]) -> dict[str, Mapping[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for reply in replies:
        usage = out.setdefault(
            reply.model, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cached_tokens": 0}
        )
        usage["prompt_tokens"] += reply.prompt_tokens
        usage["completion_tokens"] += reply.completion_tokens
        usage["total_tokens"] += reply.prompt_tokens + reply.completion_tokens
    return dict(out)
