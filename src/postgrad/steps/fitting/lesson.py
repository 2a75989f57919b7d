"""What a teacher is asked before a training: its answers to the prompts, once each, and itself in memory where its
predictions are learned."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postgrad.errors import ModelError
from postgrad.evaluation.measure import Answers, answer
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.generation.generate import Decoding
from postgrad.models.language_model import LanguageModel
from postgrad.models.remote.rules import Asking
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe, TrainingSection
from postgrad.records import Conversation, Message, Record
from postgrad.steps.arms.remote_models import Remote, budget_spent, lent, settle
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.fitting.teacher import TeacherNamed, as_read, options_of, teacher_named
from postgrad.training.distillation.options import DistillOptions
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.memory import model_bytes, packs
from postgrad.training.parallel import World

WHOLE = "whole"
"""What became of an answer that is learned; otherwise the reason why it is not."""
CUT = "cut off at the limit (training.answer_tokens)"
"""Where text is learned such an answer would teach to stop in the middle; predictions at its tokens are right."""
LONG = "too long for the teacher"
TOOLS = "with tools, which only a teacher at an address calls"
Outcome = tuple[str, Message]


@dataclass(frozen=True)
class Lesson:
    """What is learned from a teacher.

    Attributes:
        records: With the answers that are learned.
        validation: Likewise.
        teacher: As the training takes it.
        identity: Hash of what decides its answers and predictions.
    """

    records: Sequence[Record]
    validation: Sequence[Record]
    teacher: Teacher
    identity: str


def refuse_teacher(ctx: RunContext, recipe: Recipe, base: BaseFiles) -> Working[None]:
    """Refuses, before data is read or a model loaded, a teacher that cannot be had or has nothing to teach.

    Raises:
        UsageError, ModelError: See `teacher_named`.
    """
    if options_of(recipe.training) is not None:
        teacher_named(ctx, recipe, (yield from base.find()))


def lesson_of(
    ctx: RunContext, recipe: Recipe, model: LanguageModel, records: Sequence[Record], validation: Sequence[Record]
) -> Working[Lesson | None]:
    """What the recipe's teacher teaches of these records; None for objectives without one.

    Args:
        model: That is trained; its weights are the base's afterwards.

    Raises:
        UsageError, ModelError, DataError: there is no such teacher, it fails, or nothing can be learned of it.
        Interrupted: asked to stop; the answers so far are kept.
    """
    options = options_of(recipe.training)
    if options is None:
        return None
    who = teacher_named(ctx, recipe, model.base)
    teacher = as_read(who, options, model.base, model.device.dtype)
    parts = [[r for r in part if isinstance(r, Conversation)] for part in (records, validation)]
    other = _loaded(ctx, who, model) if who.base is not None else None
    if _asks(options, [*parts[0], *parts[1]]):
        start = time.monotonic()
        given = yield from _answers(ctx, recipe, who, teacher, other or model, [*parts[0], *parts[1]], options)
        ctx.ledger.took("answers of the teacher", time.monotonic() - start)
        learned = (WHOLE, CUT) if options.way == "logits" else (WHOLE,)
        teacher = replace(teacher, said=_told(who, given, learned))
        yield Said(teacher.said, warning=any(reason not in learned for reason, _ in given))
        taken = [
            _with(r, m) if reason in learned else None
            for r, (reason, m) in zip([*parts[0], *parts[1]], given, strict=True)
        ]
        size = len(parts[0])
        parts = [[r for r in some if r is not None] for some in (taken[:size], taken[size:])]
        if not parts[0]:
            raise ModelError(f"There is nothing to learn. {teacher.said}", "Ask another teacher, or for other answers.")
    return Lesson(parts[0], parts[1], replace(teacher, model=other if options.way != "text" else None), who.identity)


def _asks(options: DistillOptions, records: Sequence[Conversation]) -> bool:
    """Whether the teacher answers the prompts before the training."""
    if options.way == "on_policy":
        return False
    whole = all(r.answer is not None for r in records)
    return options.way == "text" or options.answers == "teacher" or (options.answers is None and not whole)


def _loaded(ctx: RunContext, who: TeacherNamed, model: LanguageModel) -> LanguageModel:
    """Another local teacher in memory, with its trained weights.

    Raises:
        ModelError: there is no room for it.
    """
    import psutil

    if who.base is None:
        raise ValueError("the teacher is the model itself")
    wanted = model_bytes(who.base.config, model.device.dtype, packs(model.device.kind, model.device.dtype))
    free = psutil.virtual_memory().available
    if model.device.kind == "cpu" and wanted > free:
        raise ModelError(
            f"The teacher {who.name} takes about {wanted / 1e9:.1f} GB beside the base, and {free / 1e9:.1f} GB are"
            " free.",
            "Take a smaller one, or learn the text of one at an address: --set teacher=URL#MODEL.",
        )
    other = LanguageModel(who.base, model.device)
    if who.blob is not None:
        other.use(load_trained(ctx.blobs.get_folder(who.blob)), who.blob)
    return other


def _answers(
    ctx: RunContext,
    recipe: Recipe,
    who: TeacherNamed,
    teacher: Teacher,
    model: LanguageModel,
    records: Sequence[Conversation],
    options: DistillOptions,
) -> Working[list[Outcome]]:
    """The teacher's answers to the records' prompts, with what became of each."""
    if who.remote is not None:
        world = World.of_environment()  # of several processes the first one asks and pays
        asked = records if world.leads else ()
        found = yield from _remote_answers(ctx, who.remote, teacher, asked, options.answer_tokens)
        return world.gathered(found)
    start = recipe.training.start if who.base is None else who.blob
    model.use(load_trained(ctx.blobs.get_folder(start)) if start else None, start)
    try:
        return (yield from _local_answers(ctx, model, start, teacher, records, recipe.training))
    finally:
        if who.base is None:
            model.use(None)


def _remote_answers(
    ctx: RunContext, remote: Remote, teacher: Teacher, records: Sequence[Conversation], tokens: int
) -> Working[list[Outcome]]:
    purse, asked = ctx.ledger.purse, [teacher.asked(r) for r in records]
    try:
        found = yield from lent(purse, remote).answer(asked, Asking(tokens), ctx.stopped, [r.tools for r in records])
    finally:
        settle(purse, remote)
    if not records:
        return []
    used = remote.model.usage
    paid = "" if remote.model.usd is None else f", {remote.model.usd:.4f} USD"
    spent = f"{used.prompt_tokens:,} tokens in and {used.completion_tokens:,} out{paid}"
    yield Said(f"The teacher was asked {used.asked} times ({spent}); {used.kept} answers were kept from before.")
    if unasked := sum(a is None for a in found):
        raise budget_spent(purse, unasked, len(found), teacher.name)
    out: list[Outcome] = []
    for a in found:
        if a is None:
            continue
        message = Message("assistant", a.text, tool_calls=tuple(a.tool_calls))
        refused = a.finish in ("refused", "content_filter")
        out.append((_reason("refused" if refused else a.finish, message), message))
    return out


def _local_answers(
    ctx: RunContext,
    model: LanguageModel,
    blob: str | None,
    teacher: Teacher,
    records: Sequence[Conversation],
    settings: TrainingSection,
) -> Working[list[Outcome]]:
    options = options_of(settings) or DistillOptions()
    decoding = Decoding(options.answer_tokens).for_chat(model.renderer).with_thought(model.renderer)
    prompts = {i: teacher.prompt_ids(r) for i, r in enumerate(records) if not r.tools}
    room = decoding.max_new_tokens
    places = [i for i, p in prompts.items() if teacher.has_room(records[i], len(p) + room, settings.too_long)]
    ids = [prompts[i] for i in places]
    kept = Answers.open(ctx.store, model.base.hash, blob, decoding, model.device.dtype)
    found = yield from answer(model, ids, decoding, kept, ctx.stopped)
    out: list[Outcome] = [(LONG if i in prompts else TOOLS, Message("assistant", "")) for i in range(len(records))]
    for place, done in zip(places, found, strict=True):
        message = Message("assistant", done.text, reasoning=done.thought)
        out[place] = (_reason(done.finish, message), message)
    return out


def _reason(finish: str, message: Message) -> str:
    """Why an answer is not learned; `WHOLE` where it is."""
    if finish == "refused":
        return "refused by the server"
    if finish == "length":
        return CUT if message.content.strip() else "empty"
    return WHOLE if message.content.strip() or message.tool_calls else "empty"


def _told(who: TeacherNamed, given: Sequence[Outcome], learned: Sequence[str]) -> str:
    """How many answers there are, and why the others are left out."""
    reasons = Counter(reason for reason, _ in given)
    taken = sum(reasons[reason] for reason in learned)
    cut = f", {reasons[CUT]} of them {CUT}" if CUT in learned and reasons[CUT] else ""
    left = "; ".join(f"{n} {reason}" for reason, n in reasons.most_common() if reason not in learned)
    out = f"The answers are those of {who.name}, to {taken} of {len(given)} prompts{cut}."
    return f"{out} Left out: {left}." if left else out


def _with(record: Conversation, message: Message) -> Conversation:
    """The conversation with this answer, from which alone is learned."""
    before = (replace(m, weight=0.0) if m.role == "assistant" else m for m in record.prompt)
    return replace(record, messages=(*before, message))
