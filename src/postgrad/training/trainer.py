"""One training from records to trained weights: attach, plan, fit into memory, loop, keep the best, detach."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Literal

from postgrad.errors import Interrupted, TrainingError
from postgrad.json_types import JsonObject
from postgrad.models.adapters.lora import has_experts
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.device import memory_kept, peak_memory, room_for
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Rendered
from postgrad.objectives import spec_of
from postgrad.progress import Said, Working
from postgrad.records import Record
from postgrad.report.run_report import AlarmPart, TrainingPart
from postgrad.storage import sha256_json
from postgrad.training.batching import microbatches, steps_of
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.forward import Forward
from postgrad.training.guards import refuse_unmeasured
from postgrad.training.loop import Settings, Trainer
from postgrad.training.loop_state import in_words
from postgrad.training.memory import predictable, refuse_what_cannot_fit
from postgrad.training.methods import Attached, attached
from postgrad.training.objectives.base import Objective, Setup, Start
from postgrad.training.objectives.replay import CUT, USUAL_DIVERGENCE, WithReplay, without_end
from postgrad.training.parallel import World
from postgrad.training.plan_memory import need_of
from postgrad.training.rewards import Reward
from postgrad.training.sampled.environment import NOTHING, Beside
from postgrad.training.weights.checkpoints import refuse_other
from postgrad.training.weights.frontier import GENERAL, Frontier
from postgrad.training.weights.snapshots import with_snapshots
from postgrad.training.weights.weight_averaging import best_blend
from postgrad.training_run import RunFolder
from postgrad.training_settings import LoopSettings, TrainingSettings

_SAMPLED_STEPS = 12  # whose lengths stand for those of all, when it is planned how many fit into the time

FEWEST_STEPS = 100
"""A training under time pressure still makes so many steps (if the data has them)."""


class Plan(TrainingSettings):
    """What to train, how, and for how long."""

    seed: int = 0
    """Of everything random."""
    seconds: float | None = None
    """Train at most about so long; None: as many epochs as planned."""

    def identity(self) -> JsonObject:
        """What decides the weights; not the time, by which the steps are planned once and kept."""
        return {name: value for name, value in self.values().items() if name != "seconds"}


@dataclass(frozen=True)
class TrainingResult:
    """A finished training."""

    trained: Trained
    part: TrainingPart


def train(
    model: LanguageModel,
    records: Sequence[Record],
    validation: Sequence[Record],
    plan: Plan,
    folder: RunFolder,
    identity: dict[str, str],
    stopped: Callable[[], bool],
    replay: Sequence[Record] = (),
    reward: Reward | None = None,
    aside: Sequence[Record] = (),
    teacher: Teacher | None = None,
    beside: Beside = NOTHING,
) -> Working[TrainingResult]:
    """Trains; resumes if the folder holds a checkpoint of the same training.

    Args:
        replay: General records to mix in against forgetting.
        reward: Grades answers, for objectives that sample them.
        aside: General records that are not trained on: the distance from the base is measured on them, and decides
            with the validation loss which checkpoint is kept. Not for method full, which overwrites the base.
        teacher: Is learned from, for objectives that have one.
        beside: What judges sampled answers besides the reward, or an environment that gives it.

    Raises:
        DataError: records cannot be trained on.
        UsageError: settings that do not go together.
        TrainingError: diverged, does not fit into memory, or the folder belongs to another training.
        Interrupted: `stopped()` turned true or the control file said so; checkpointed.
    """
    world = World.of_environment()
    identity = {**identity, "settings": sha256_json(plan.identity())}
    objective = _objective(model, plan, reward, teacher, beside)
    refuse_unmeasured(plan.objective, objective.tally.names, plan.kl_limit, near_base=bool(aside and validation))
    prepared, held = objective.prepare(records), objective.prepare(validation)
    if not prepared.examples:
        raise TrainingError(
            f"All {len(records)} training examples were dropped as too long.",
            "Raise training.max_length, or use training.too_long = truncate_prompt.",
        )
    if prepared.dropped or prepared.truncated:
        yield Said(
            f"{prepared.dropped} training examples dropped and {prepared.truncated} prompts cut because they are too"
            " long.",
            warning=True,
        )
    general = _general(objective, replay, model.renderer.end_ids)
    if not predictable(model.base.config):
        yield Said("The memory that this base requires cannot be predicted; training starts anyway.", warning=True)
    else:
        largest = need_of(model, plan, objective, prepared.examples, general)
        refuse_what_cannot_fit(largest, room_for(model.device.kind))
    with attached(model, plan, plan.seed, objective.head) as method, ExitStack() as stack:
        forward = Forward(model, plan.recompute, plan.neftune, plan.seed)
        shown = [sequence for e in prepared.examples for sequence in objective.sequences(e)]
        yield Said(forward.choose(shown), warning=forward.way == "padded")
        stack.enter_context(memory_kept())  # not before: what the check has used would stand in pieces in the way
        if method.has_base and has_experts(model.module):
            yield Said("Adapters change attention and other shared layers; the experts stay as they are.")
        examples: Sequence[Rendered] = prepared.examples
        if general:
            objective, examples = yield from _with_replay(objective, method, plan, examples, general)
        if folder.read_state().get("settings"):
            refuse_other(folder.read_state()["identity"], identity, str(folder.path))
        asked = _asked(folder, stopped)
        start = Start(forward, method, world, folder, identity, plan.token_budget, plan.seed, asked)
        yield from _begun(objective, examples, held.examples, start)
        settings = yield from _settings(
            model, forward, objective, examples, held.examples, plan, folder, identity, world
        )
        frontier = None
        if aside and held.examples and method.has_base:
            measured = _general(objective, aside, model.renderer.end_ids)
            frontier = Frontier(forward, method, held.examples, measured, plan.token_budget, world)
        trainer = Trainer(forward, objective, examples, held.examples, settings, folder, identity, world, frontier)
        if world.leads:
            folder.write_state("running")
        if plan.snapshots:
            yield from with_snapshots(trainer, method, folder, model.base.name, plan.snapshots, stopped)
        else:
            yield from trainer.run(stopped)
        ending = trainer.progress.ending
        if ending in ("paused", "cancelled"):
            _left(folder, world, ending == "cancelled")
            raise Interrupted(
                f"The training was {ending} after step {trainer.progress.step} of {settings.total_steps}; its state is"
                " kept."
            )
        if trainer.token_budget < settings.token_budget:
            yield Said(
                f"Memory ran out: microbatches were cut to {trainer.token_budget} tokens; the result is the same.",
                warning=True,
            )
        trainer.use_best()
        trained, way, peak = method.taken(), forward.way, peak_memory(model.device.kind)
    progress = trainer.progress
    if not progress.learned:
        yield Said(in_words(progress), warning=True)
    words = [objective.in_words(progress.metrics, progress.best_step), *(a.sentence for a in progress.alarms)]
    if not objective.validates or not progress.learned:
        words.insert(0, in_words(progress))
    if trainer.frontier and progress.learned:
        words.append(trainer.frontier.in_words(progress.metrics.get(GENERAL, [])))
    if replayed := len(examples) - len(prepared.examples):
        words.append(f"{replayed} of {len(examples)} training examples were replay: {_whose(plan)}.")
    if plan.blend:
        trained, said = best_blend(model, trained, objective, held.examples, plan.token_budget)
        words.append(said)
    part = _part(
        model, trainer, plan, settings, examples, replayed, prepared.truncated + held.truncated, way, peak, words
    )
    if world.leads:
        folder.write_state("succeeded", part=part.model_dump())
        folder.forget_teacher()
    return TrainingResult(trained, part)


def _objective(
    model: LanguageModel, plan: Plan, reward: Reward | None, teacher: Teacher | None, beside: Beside
) -> Objective:
    """The plan's objective with the options that it reads."""
    setup = Setup(model.renderer, plan.max_length, plan.too_long, reward, teacher, beside, plan.kl_limit is not None)
    return spec_of(plan.objective).make(setup, plan.options)


def _asked(folder: RunFolder, stopped: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: stopped() or folder.command() is not None


def _begun(objective: Objective, examples: Sequence[Rendered], held: Sequence[Rendered], start: Start) -> Working[None]:
    """What the objective needs of the starting model; a wish to stop meanwhile is noted in the run's state."""
    try:
        yield from objective.begin(start, examples, held)
    except Interrupted:
        _left(start.folder, start.world, start.folder.command() == "cancel")
        raise


def _left(folder: RunFolder, world: World, cancelled: bool) -> None:
    if world.leads:
        folder.write_state("cancelled" if cancelled else "paused")
        folder.clear_command()


def _with_replay(
    objective: Objective, method: Attached, plan: Plan, task: Sequence[Rendered], general: Sequence[Rendered]
) -> Working[tuple[Objective, list[Rendered]]]:
    """The objective and the examples with general ones mixed in.

    Answers of the base hold the model to the base wherever it can be asked, and are balanced against the task's.
    """
    if plan.replay_divergence and not method.has_base:
        raise TrainingError(
            "Replay with a divergence requires the base model, which full fine-tuning overwrites.",
            "Set training.replay_divergence to 0, or take method lora.",
        )
    held = bool(plan.base_replay) and method.has_base
    divergence = plan.replay_divergence or (USUAL_DIVERGENCE if held else 0.0)
    mixing = WithReplay(objective, method, divergence, plan.replay_kl_target if held else 0.0)
    general = mixing.balanced(task, general) if plan.base_replay else general
    examples = mixing.mixed(task, general, plan.base_replay or plan.replay_share)
    yield Said(
        f"{len(examples) - len(task)} of {len(examples)} examples are replay against forgetting, out of"
        f" {len(general)} general ones."
    )
    return mixing, examples


def _general(objective: Objective, records: Sequence[Record], end_ids: Collection[int]) -> list[Rendered]:
    """Examples of general records; an answer that was cut is learned without its end."""
    out: list[Rendered] = []
    for record in records:
        for example in objective.general(record):
            out.append(without_end(example, end_ids) if record.meta.get(CUT) else example)
    return out


def _whose(plan: Plan) -> str:
    return "the base's own answers to general prompts" if plan.base_replay else "general examples of the files given"


def _settings(
    model: LanguageModel,
    forward: Forward,
    objective: Objective,
    examples: Sequence[Rendered],
    held: Sequence[Rendered],
    plan: Plan,
    folder: RunFolder,
    identity: dict[str, str],
    world: World,
) -> Working[Settings]:
    """The loop's settings; planned once and kept with the run, so that a resumed training has the same."""
    if kept := folder.read_state().get("settings"):
        return Settings(**kept)
    full = _full_steps(plan, objective, examples)
    total = full
    if plan.seconds is not None:
        fitting = _fitting_steps(model, forward, objective, examples, held, plan)
        total = min(full, max(FEWEST_STEPS, fitting))
        if fitting < total:
            yield Said(
                f"Only {max(0, fitting)} steps fit into the remaining time; {total} are run, because fewer train too"
                " little.",
                warning=True,
            )
        elif total < full:
            yield Said(f"{total} of {full} steps are planned, to stay within the time limit.")
    total = int(world.sum([total if world.leads else 0.0])[0])
    settings = Settings(
        **plan.model_dump(include=set(LoopSettings.model_fields)),
        total_steps=total,
        learning_rate=plan.peak_rate(_width(model), total),
        validate_every=plan.validate_every or max(1, math.ceil(total / plan.validations)),
        seed=plan.seed,
        guess=objective.guess(model.renderer.vocabulary),
    )
    if world.leads:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_state("queued", settings=settings.model_dump(), identity=identity)
    return settings


def _width(model: LanguageModel) -> int:
    """Hidden size of the model."""
    return int(model.module.config.get_text_config().hidden_size)


def _full_steps(plan: Plan, objective: Objective, examples: Sequence[Rendered]) -> int:
    """Steps of the plan, had it all the time."""
    return min(
        steps_of(objective.an_epoch(examples), plan.batch_size, plan.epochs) * objective.repeats,
        plan.max_steps or 10**9,
    )


def _fitting_steps(
    model: LanguageModel,
    forward: Forward,
    objective: Objective,
    examples: Sequence[Rendered],
    held: Sequence[Rendered],
    plan: Plan,
) -> int:
    """Steps that fit into the time, from a measured forward and backward pass that changes nothing."""
    steps = [objective.draw(examples, plan.batch_size, plan.seed, number) for number in range(1, _SAMPLED_STEPS + 1)]
    drawn = [e for step in steps[:2] for e in step]
    start = time.perf_counter()
    sample = objective.batch(drawn, 0) or drawn
    sampling = time.perf_counter() - start
    parts = list(microbatches(sample, plan.token_budget))
    _back(objective, forward, parts[0][:1])  # the first pass also allocates; it does not count
    start = time.perf_counter()
    for part in parts:
        _back(objective, forward, part)
    speed = sum(objective.room(e) for e in drawn) / (time.perf_counter() - start + sampling / objective.repeats)
    model.module.zero_grad(set_to_none=True)
    objective.tally.restore({})
    step_tokens = sum(objective.room(e) for step in steps for e in step) / len(steps)
    validations = plan.validations * sum(objective.room(e) for e in held) * 0.45  # a forward pass costs less than half
    return int(((plan.seconds or 0) * speed - validations) / step_tokens)


def _back(objective: Objective, forward: Forward, part: Sequence[Rendered]) -> None:
    loss = objective.loss(forward, part)
    if loss.requires_grad:
        loss.backward()


def _part(
    model: LanguageModel,
    trainer: Trainer,
    plan: Plan,
    settings: Settings,
    examples: Sequence[Rendered],
    replayed: int,
    truncated: int,
    way: Literal["fused", "packed", "padded"],
    peak: int,
    words: Sequence[str],
) -> TrainingPart:
    p = trainer.progress
    return TrainingPart(
        objective=plan.objective,
        method=plan.method,
        examples=len(examples),
        replayed=replayed,
        supervised_tokens=p.supervised_tokens,
        tokens=p.tokens,
        tokens_per_second=p.tokens / max(p.seconds, 1e-9),
        peak_memory_bytes=peak,
        steps=p.step,
        best_step=p.kept_step if p.validation_loss else p.step,
        seconds=p.seconds,
        train_loss=p.train_loss,
        validation_loss=[] if trainer.objective.validates else p.validation_loss,
        metrics=p.metrics,
        truncated=truncated,
        stopped_because=p.ending,
        alarms=[AlarmPart(**asdict(alarm)) for alarm in p.alarms],
        in_words=" ".join(filter(None, words)),
        settings={
            **plan.identity(),
            "learning_rate": settings.learning_rate,
            "total_steps": settings.total_steps,
            "full_steps": _full_steps(plan, trainer.objective, examples),
            "computed": way,
        },
        device=model.device.name,
        dtype=model.device.dtype,
    )
