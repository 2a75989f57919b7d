"""The model that writes examples and judges them: behind an address, or a local one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from postgrad.data.augment.method import Teacher
from postgrad.errors import UsageError
from postgrad.evaluation.measure import Answers, answer
from postgrad.json_types import JsonObject
from postgrad.models.remote.client import Asking, Budget, RemoteModel, parse_remote
from postgrad.progress import Working
from postgrad.records import Message, Record
from postgrad.steps.context import RunContext

WARMTH = 0.9
"""Temperature at which a teacher writes; it judges at 0."""


@dataclass(frozen=True)
class TeacherWish:
    """Who writes and judges.

    Attributes:
        name: `URL#MODEL`, or a local model.
        key_env: Environment variable with a remote teacher's key.
        budget: What a remote teacher may cost.
    """

    name: str
    key_env: str | None = None
    budget: Budget | None = None

    @property
    def remote(self) -> RemoteModel | None:
        """The model at its address; None for a local one."""
        if "://" not in self.name:
            return None
        return RemoteModel(*parse_remote(self.name), key_env=self.key_env, budget=self.budget)


def spent(remote: RemoteModel | None) -> JsonObject | None:
    """What a remote teacher took; None for a local one."""
    if remote is None:
        return None
    used = {key: value for key, value in asdict(remote.usage).items() if not key.startswith("reserved")}
    return {**used, "usd": remote.usd}


def teachers_for(
    ctx: RunContext, method: str, teacher: RemoteModel | str, originals: Sequence[Record]
) -> tuple[Teacher, Teacher]:
    """The teacher that writes, and the same teacher that judges."""
    asked, answered = (
        [len(t) for t in texts] for texts in ([r.prompt_text for r in originals], [r.answer_text for r in originals])
    )
    written = _room(asked) + (_room(answered) if method == "examples" else 0)
    return teachers(ctx, teacher, written, _room(answered))


def teachers(ctx: RunContext, teacher: RemoteModel | str, written: int, answered: int) -> tuple[Teacher, Teacher]:
    """A teacher that writes warmly, and the same one that answers greedily.

    Args:
        teacher: A remote model, or the name of a local one.
        written: Tokens that it may write.
        answered: Tokens of an answer.
    """
    if isinstance(teacher, str):
        return _local(ctx, teacher, written, answered)
    writing = Asking(written, WARMTH, seed=ctx.seed)
    return _remote(ctx, teacher, writing), _remote(ctx, teacher, Asking(answered))


def _remote(ctx: RunContext, model: RemoteModel, asking: Asking) -> Teacher:
    def ask(prompts: Sequence[tuple[Message, ...]]) -> Working[list[str | None]]:
        answers = yield from model.answer(prompts, asking, ctx.stopped)
        return [None if a is None else a.text for a in answers]

    return ask


def _room(letters: Sequence[int]) -> int:
    """Tokens for a text like most of these: letters are at least twice as many in the tongues that models write."""
    return min(1024, sorted(letters)[int(0.95 * (len(letters) - 1))] // 2 + 32)


def _local(ctx: RunContext, teacher: str, written: int, answered: int) -> tuple[Teacher, Teacher]:
    from postgrad.models.generation.generate import Decoding  # here: torch
    from postgrad.models.language_model import load_model  # here: torch

    model = load_model(teacher)

    def asking(decoding: Decoding) -> Teacher:
        answers = Answers.open(ctx.store, model.base.hash, None, decoding, model.device.dtype)

        def ask(prompts: Sequence[tuple[Message, ...]]) -> Working[list[str | None]]:
            ids = [model.renderer.prompt_ids(p) for p in prompts]
            longest = max(map(len, ids), default=0)
            if longest + decoding.max_new_tokens > model.base.context:
                raise UsageError(
                    f"A prompt of {longest} tokens and {decoding.max_new_tokens} for the answer do not fit into the"
                    f" {model.base.context} of {model.name}.",
                    "Use a teacher with a longer context.",
                )
            found = yield from answer(model, ids, decoding, answers, ctx.stopped)
            return [c.text for c in found]

        return ask

    warm, greedy = Decoding(written, WARMTH, 0.95, ctx.seed), Decoding(answered)
    warm, greedy = (d.for_chat(model.renderer).with_thought(model.renderer) for d in (warm, greedy))
    return asking(warm), asking(greedy)
