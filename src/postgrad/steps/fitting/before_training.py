"""Between measuring and training: what the test set resolves now that arms are measured, whether training can be worth
it at all, and what the commonest answer would have scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from postgrad.arm_kinds import FINE_TUNED, FINE_TUNED_RAG, is_trained, is_trivial
from postgrad.costs import cost_of
from postgrad.decision.before_training import ERROR, Earnings, Prospects, stop_before_training
from postgrad.decision.resolution import Resolution, assumed_resolution, measured_resolution
from postgrad.evaluation.statistics.baselines import constant_answer, constant_baseline
from postgrad.evaluation.statistics.further_looks import strictness
from postgrad.evaluation.statistics.scores import compare_arms, lower_limit, score_interval
from postgrad.facts import load_facts
from postgrad.measures import ArmResult, Verdict
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe, TrainingSection
from postgrad.records import Conversation, Record
from postgrad.report.arm_parts import ConstantPart, ResolutionPart
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, Grounding, TaskSpec
from postgrad.steps.reporting.money import budget_of
from postgrad.training.memory import training_flops


@dataclass(frozen=True)
class Before:
    """What is known before training.

    Attributes:
        resolution: What the test set resolves: assumed, then as measured where two arms differ.
        stop: The verdict that makes training needless; None: train.
    """

    resolution: tuple[ResolutionPart, ...]
    stop: Verdict | None

    def constant_part(self, task: TaskSpec, examples: Examples, results: Sequence[ArmResult]) -> ConstantPart | None:
        """The commonest answer's score beside every arm's; None where the task has no such answer."""
        answer = constant_answer(task.choice, examples.train)
        if answer is None:
            return None
        found = constant_baseline(task.choice, answer, examples.test, results, examples.groups)
        return ConstantPart(
            answer=found.answer,
            score=found.score.value,
            interval=(found.score.low, found.score.high),
            unbeaten=list(found.unbeaten),
            unclear=list(found.unclear),
            sentence=found.sentence(task.choice.primary.title),
        )

    def remarks(self, task: TaskSpec, examples: Examples, results: Sequence[ArmResult]) -> list[str]:
        """What belongs to the reasons of any verdict: arms that do not beat the commonest answer, arms that were
        stopped."""
        out = [
            f"{r.name} was stopped after {len(r.places)} of {len(examples.test)} test examples: it could not win any"
            " more."
            for r in results
            if r.stopped
        ]
        constant = self.constant_part(task, examples, results)
        return out + ([constant.sentence] if constant and (constant.unbeaten or constant.unclear) else [])


def before_training(
    ctx: RunContext,
    recipe: Recipe,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    grounding: Grounding | None,
    results: Sequence[ArmResult],
) -> Working[Before]:
    """What the untrained arms tell before anything is trained."""
    wishes, worth = recipe.decision, recipe.decision.smallest_worth
    whole = [r for r in results if not (r.stopped or r.requires_training or is_trivial(r.name))]
    choices = budget_of(wishes, whole).affordable(whole)
    assumed = assumed_resolution(len(examples.test), worth, examples.units)
    measured = measured_resolution(whole, worth, examples.units)
    if measured:
        yield Said(measured.sentence)
    stop = None
    if any(map(is_trained, recipe.evaluation.arms)) and wishes.stop_early and choices:
        best = max(choices, key=lambda r: r.score.value)
        # One-sided, and the best of several, and of several looks: the limit must hold for all of them together.
        low = lower_limit(best.scores, examples.groups, ERROR / len(choices) / strictness(ctx.look))
        known = measured or assumed
        name = _best_trained(recipe.evaluation.arms, grounding)
        stop = stop_before_training(
            Prospects(
                arms=choices,
                comparisons=compare_arms(choices, examples.groups, look=ctx.look),
                perfect=_perfect(name, examples),
                imagined=compare_arms([*choices, _perfect(name, examples)], examples.groups, look=ctx.look),
                best_low=low,
                resolvable=assumed.resolvable,
                examples=len(examples.known) + len(examples.test),
                worth=known.worth,
                examples_for_worth=known.examples_for_worth,
                earnings=_earnings(ctx, recipe, model, examples.train, best, low),
                needs_documents=needs_documents(examples, grounding),
                metric=task.choice.primary.title,
                units=examples.units,
            )
        )
        if stop:
            yield Said("; ".join([stop.sentence, *stop.reasons[-1:]]).replace(".; ", ". "), warning=True)
    return Before(tuple(_part(r) for r in (assumed, measured) if r), stop)


def needs_documents(examples: Examples, grounding: Grounding | None) -> bool:
    """Whether answers rest on facts that training did not show: documents were given, and the test's answers are hardly
    ever answers that training had."""
    if grounding is None:
        return False
    known = {r.answer_text.strip().casefold() for r in examples.known}
    seen = sum(r.answer_text.strip().casefold() in known for r in examples.test)
    return seen < 0.5 * len(examples.test)


def _part(found: Resolution) -> ResolutionPart:
    return ResolutionPart(**asdict(found), sentence=found.sentence)


def _best_trained(arms: Sequence[str], grounding: Grounding | None) -> str:
    """The trained arm that could do best."""
    retrieves = FINE_TUNED_RAG in arms and grounding is not None
    return FINE_TUNED_RAG if retrieves else FINE_TUNED


def _perfect(name: str, examples: Examples) -> ArmResult:
    """An imagined trained arm that answers everything rightly."""
    scores = (1.0,) * len(examples.test)
    texts = tuple(r.answer_text for r in examples.test)
    return ArmResult(name, scores, texts, {}, 0.0, 0.0, 0.0, None, score_interval(scores, examples.groups), True)


def _earnings(
    ctx: RunContext, recipe: Recipe, model: LanguageModel, train: Sequence[Record], best: ArmResult, low: float
) -> Earnings | None:
    """The most that training could save a month, beside what all planned trainings are estimated to cost; work
    already done is not counted."""
    settings = recipe.decision
    if not settings.monthly_queries or not settings.wrong_answer_cost or best.cost_per_1000 is None:
        return None
    seconds = _training_seconds(recipe.training, model, train, ctx.clock.seconds_left())
    most = best.cost_per_1000 / 1000 + settings.wrong_answer_cost * (1 - low)
    return Earnings(
        settings.monthly_queries * most,
        settings.iterations * cost_of(seconds, ctx.price),
        settings.payback_months,
        settings.iterations,
    )


def _training_seconds(
    settings: TrainingSection, model: LanguageModel, train: Sequence[Record], left: float | None
) -> float:
    """As `postgrad estimate` says, and at most what the time limit leaves."""
    examples = [model.renderer.render(r) for r in train if isinstance(r, Conversation)]
    flops = training_flops(
        model.base.config,
        [len(e.ids) for e in examples],
        sum(e.supervised for e in examples),
        settings.method,
        settings.rank,
    )
    rate = model.device.gflops[model.device.dtype] * 1e9 * load_facts("devices")["efficiency"]["training"]
    seconds = settings.epochs * flops / rate
    return seconds if left is None else min(seconds, max(left, 0.0))
