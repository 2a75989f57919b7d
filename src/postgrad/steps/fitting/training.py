"""Training in a job: what is trained on, for how long, and the kept result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.data.load import conversations, is_usable, load
from postgrad.errors import UsageError
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.evaluation.retrieval import Passage, store_passages
from postgrad.measures import ArmResult
from postgrad.models.adapters.trained_weights import Trained, load_trained
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.windows import windows
from postgrad.objectives import others_code, spec_of
from postgrad.progress import Said, Working
from postgrad.recipe import EvaluationSection, Recipe, TrainingSection
from postgrad.records import Conversation, Record, Text, content_hash
from postgrad.report.run_report import TrainingPart
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import General
from postgrad.steps.examples import Examples, Grounding
from postgrad.steps.fitting.environment import environment_of
from postgrad.steps.fitting.lesson import lesson_of
from postgrad.steps.fitting.own_answers import own_answers
from postgrad.steps.fitting.reward import RewardModelGrader, held_out_of, reward_of
from postgrad.steps.time_budget import curve_share, room_for_disturbances
from postgrad.storage import home, sha256_json, storing
from postgrad.training.batching import steps_of
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.parallel import World
from postgrad.training.rewards import Reward
from postgrad.training.sampled.environment import Beside, Environment
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder

END_TOKENS = 8  # what a template puts behind an answer
LEAST_SECONDS = 20.0
"""A training is planned for so long, however little time is left."""
USUAL_REPLAY, SHORT_REPLAY, SHORT = 0.1, 0.2, 100
"""Share of the base's own answers in a training of `run`, and in one of fewer than so many steps, in which every step
has one; measured in design/0004-training.md."""


@dataclass(frozen=True)
class Result:
    """The adapter in memory, its blob, and what the report says of the training."""

    trained: Trained
    blob: str
    part: TrainingPart
    seconds: float


@dataclass(frozen=True)
class TrainingWork:
    """What is trained on, and how.

    Attributes:
        passages: Documents that the model answers from; stored beside its weights.
        replay: General records to mix in against forgetting.
        aside: General records that are never trained on, for the distance from the base.
        near_base: Whether of checkpoints that are as good the one nearest to the base is kept; else the one with the
            lowest validation loss, and nothing is measured for it.
        teacher: Who is learned from; None for objectives without one.
        taught: Hash of what decides its answers and predictions.
        graded: What grades sampled answers, and the hash of all that decides its grades; None for objectives that
            learn from records alone.
        held_out: The same of what judges answers to validation prompts besides.
        environment: The same of what answers calls of tools, and rewards.
    """

    records: Sequence[Record]
    validation: Sequence[Record]
    plan: Plan
    passages: Sequence[Passage] = ()
    replay: Sequence[Record] = ()
    graded: tuple[Reward, str] | None = None
    held_out: tuple[Reward, str] | None = None
    environment: tuple[Environment, str] | None = None
    aside: Sequence[Record] = ()
    near_base: bool = True
    teacher: Teacher | None = None
    taught: str = ""

    @property
    def identity(self) -> dict[str, str]:
        """The hash of everything that is learned from, by name; of an objective of others its code."""
        out = {"training data": _hash(self.records), "validation data": _hash(self.validation)}
        if self.replay:
            out["replay data"] = _hash([*self.replay, *self.aside])
        if self.graded:
            out["grader"] = self.graded[1]
        if self.teacher:
            out["teacher"] = self.taught
        if keys := spec_of(self.plan.objective).reads:
            both = (*self.records, *self.validation)
            out["metadata"] = sha256_json([[r.meta.get(key) for key in keys] for r in both])
        if self.held_out:
            out["held-out metric"] = self.held_out[1]
        if self.environment:
            out["environment"] = self.environment[1]
        if code := others_code(self.plan.objective):
            out["objective"] = code
        return out


def training_work(
    ctx: RunContext, recipe: Recipe, model: LanguageModel, records: Sequence[Record], validation: Sequence[Record]
) -> Working[TrainingWork]:
    """What the recipe wishes to be made of these records, for any objective.

    Raises:
        UsageError, DataError, ModelError: what the objective needs besides records (see `reward_of`, `lesson_of`) is
            not there.
    """
    settings, graded, held_out, environment = recipe.training, None, None, None
    if "reward" in spec_of(settings.objective).needs:
        means = metric_resources(ctx, recipe.evaluation, MeasuredModel(model))
        tasks = [*records, *validation]
        environment = environment_of(settings, tasks, own_code=means.own_code)
        graded = None if environment else reward_of(means, settings, tasks)
        held_out = held_out_of(means, settings, tasks)
    plan, replay = plan_of(settings, ctx.seed, usual_replay=False), load_replay(settings.replay)
    work = TrainingWork(
        records, validation, plan, replay=replay, graded=graded, held_out=held_out, environment=environment
    )
    lesson = yield from lesson_of(ctx, recipe, model, records, validation)
    if lesson is None:
        return work
    taught = {"teacher": lesson.teacher, "taught": lesson.identity}
    return replace(work, records=lesson.records, validation=lesson.validation, **taught)


def train_model(
    ctx: RunContext,
    model: LanguageModel,
    examples: Examples,
    grounding: Grounding | None,
    recipe: Recipe,
    seconds: float | None,
) -> Working[Result]:
    """Trains, or takes the kept result of the same training."""
    settings = recipe.training
    if examples.material is not None:
        work = yield from training_work(ctx, recipe, model, examples.material.train, examples.material.validation)
        work = replace(work, plan=plan_of(settings, ctx.seed))
        return (yield from trained_model(ctx, model, work, seconds))
    plan = plan_of(settings, ctx.seed)
    records, validation = (trained_on(part, grounding, model) for part in (examples.train, examples.validation))
    if grounding is not None:
        plan = plan.model_copy(update={"epochs": plan.epochs / 2})
        yield Said("Each example is trained twice, with and without passages of the documents, in half as many epochs.")
    work = TrainingWork(records, validation, plan, passages_in(grounding), load_replay(settings.replay))
    return (yield from trained_model(ctx, model, work, seconds))


def trained_model(
    ctx: RunContext,
    model: LanguageModel,
    work: TrainingWork,
    seconds: float | None = None,
    folder: RunFolder | None = None,
    begin: str = "",
) -> Working[Result]:
    """Trains and stores, or takes the kept result of the same training; an unfinished one goes on.

    Where the plan wants it, the base's own answers to general prompts are made first and mixed in.

    Args:
        seconds: About how long training may take.
        folder: Where checkpoints lie; a folder named after the training when None.
        begin: `resume` refuses to begin anew, `fresh` does not take what was kept, `folder` takes only what is in its
            own folder; "" goes on if it can.

    Raises:
        UsageError: there is nothing to resume.
    """
    began = time.monotonic()
    work = yield from _with_own_answers(ctx, model, work)
    seconds = None if seconds is None else max(LEAST_SECONDS, seconds - (time.monotonic() - began))
    identity = {"model": model.base.hash, **work.identity}
    packages = ("training", "models", *(("evaluation",) if work.graded else ()))
    inputs = {**identity, "plan": work.plan.values(), "dtype": model.device.dtype, "minutes": ctx.clock.minutes}
    key, kept = ctx.kept("training", inputs, packages)
    folder = folder or RunFolder(home() / "runs" / key.removeprefix("sha256:")[:16])
    kept = None if begin in ("fresh", "folder") else kept
    if kept is not None and ctx.blobs.state(kept["blob"]) == "missing":
        kept = None  # its model was deleted and cleaned away
    _make_ready(folder, begin, done=kept is not None)
    if kept is None:
        with storing(folder.path):
            folder.path.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        timed = work.plan.model_copy(update={"seconds": seconds})
        reward, held_out = (judge[0] if judge else None for judge in (work.graded, work.held_out))
        for grader in (reward, held_out):
            if isinstance(grader, RewardModelGrader):
                grader.load()
        beside = Beside(held_out, work.environment[0] if work.environment else None)
        outcome = yield from train(
            model,
            work.records,
            work.validation,
            timed,
            folder,
            identity,
            ctx.stopped,
            work.replay,
            reward,
            work.aside,
            work.teacher,
            beside,
        )
        blob = _stored(ctx.blobs, outcome.trained, work.passages, model.base.name)
        kept = {"blob": blob, "part": outcome.part.model_dump(), "seconds": time.monotonic() - start}
        ctx.store.put("training", key, identity, kept)
    else:
        yield Said("The same training was done before; its result is reused.")
    part = TrainingPart.model_validate(kept["part"])
    yield Said(part.in_words)
    return Result(load_trained(ctx.blobs.get_folder(kept["blob"])), kept["blob"], part, kept["seconds"])


def _with_own_answers(ctx: RunContext, model: LanguageModel, work: TrainingWork) -> Working[TrainingWork]:
    """The work with the base's own answers to general prompts, as many as the plan wants or as is usual."""
    plan, share = work.plan, work.plan.base_replay
    if share == 0:
        return work
    count = _examples_in(work, model)
    if share is None:
        planned = steps_of(count, plan.batch_size, plan.epochs)
        share = SHORT_REPLAY if min(planned, plan.max_steps or planned) < SHORT else USUAL_REPLAY
    start = time.monotonic()
    answers = yield from own_answers(ctx, model, count, share, plan.max_length)
    ctx.ledger.took("answers for replay", time.monotonic() - start)
    plan = plan.model_copy(update={"base_replay": share})
    return replace(work, plan=plan, replay=answers.train, aside=answers.aside if work.near_base else ())


def _examples_in(work: TrainingWork, model: LanguageModel) -> int:
    """Examples that the records make: a document is as many as it has windows."""
    texts = [r for r in work.records if isinstance(r, Text)]
    many = sum(len(windows(model.renderer, t, work.plan.max_length)) for t in texts)
    return len(work.records) - len(texts) + many


def _make_ready(folder: RunFolder, begin: str, *, done: bool) -> None:
    """Clears the folder for a fresh beginning, and refuses to resume where there is nothing."""
    world = World.of_environment()
    if begin == "fresh" and world.leads:
        folder.clear()
    world.wait()
    if begin == "resume" and not done and not folder.read_state():
        raise UsageError(
            "There is no earlier run of this training to resume: data, settings, base or program differ, or it was"
            " never started.",
            "Leave --resume out to start; or give the run's folder with --folder to see what differs.",
        )


def load_replay(paths: Sequence[str]) -> list[Record]:
    """General examples to mix in.

    Raises:
        DataError: a file cannot be read as conversations.
    """
    if not paths:
        return []
    return [r for r in conversations(load([Path(p) for p in paths], minimum=1)) if is_usable(r)]


def plan_of(settings: TrainingSection, seed: int, *, usual_replay: bool = True) -> Plan:
    """The plan that a recipe's section means.

    Args:
        usual_replay: Whether conversations and raw text are trained with the usual share of the base's own answers,
            where the settings name none: `base_replay` is None then, and settled once the steps are known.
    """
    fields = settings.model_dump(exclude={"replay", "grader"})
    mixes = usual_replay and not settings.replay and spec_of(settings.objective).mixes_conversations
    if settings.base_replay is None and not mixes:
        fields["base_replay"] = 0.0
    return Plan(**fields, seed=seed)


def passages_in(grounding: Grounding | None) -> tuple[Passage, ...]:
    """The passages that a model answers from; none without documents."""
    return grounding.passages if grounding else ()


def trained_on(records: Sequence[Record], grounding: Grounding | None, model: LanguageModel) -> list[Conversation]:
    """The conversations as trained: the user's own instruction stays, a rule-written one is left for the weights to
    learn.

    With documents each example comes in two forms, with and without passages before the request, cut where they would
    leave no room for the answer.
    """
    plain = [r for r in records if isinstance(r, Conversation)]
    if grounding is None:
        return plain
    builder, grounded = PromptBuilder(model.renderer, None, grounding.retrieve), []
    for r in plain:
        room = model.renderer.count(r.answer_text) + END_TOKENS
        prompt = replace(builder, room=room).build(r.prompt, r.tools)
        grounded.append(replace(r, messages=(*prompt.messages, r.messages[-1])))
    return [form for both in zip(plain, grounded, strict=True) for form in both]


def seconds_for_training(
    ctx: RunContext, settings: EvaluationSection, results: Sequence[ArmResult], before: General | None
) -> float | None:
    """What the limit leaves once the measurements after training are put aside."""
    left = ctx.clock.seconds_left()
    if left is None:
        return None
    slowest = max((ctx.ledger.seconds.get(f"arm {r.name}", 0.0) for r in results), default=30.0)
    later = room_for_disturbances(ctx.clock, settings.perturb) + slowest + (before.seconds if before else 0.0) + 10
    return max(LEAST_SECONDS, (left - later) / (1 + curve_share(settings.curve)))


def _stored(blobs: Blobs, trained: Trained, passages: Sequence[Passage], base_name: str) -> str:
    """The model's blob: trained weights, and the documents that it answers from."""
    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        folder = Path(scratch)
        trained.save(folder, base_name)
        if passages:
            store_passages(passages, folder)
        return blobs.put_folder(folder)


def _hash(records: Sequence[Record]) -> str:
    return sha256_json([content_hash(r) for r in records])
