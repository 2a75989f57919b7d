"""The user's must-pass cases: read first, asked of every arm on this machine once all are measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from postgrad.arm_kinds import plain_name
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.measure import Measuring
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.baselines import ALIKE
from postgrad.measures import ArmResult
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import EvaluationSection, Recipe
from postgrad.records import Record, tools_of
from postgrad.report.must_pass import FailedCasePart, MustPassPart
from postgrad.steps.arms.measuring import answered, as_tested
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, TaskSpec
from postgrad.steps.fitting.training import Result
from postgrad.steps.loading import loaded

LEAST_LIKENESS = 0.5
"""The score that passes by a metric of likeness, which hardly ever is 1."""
_ALL = 0.999


def must_pass_cases(recipe: Recipe) -> Working[tuple[Record, ...]]:
    """The user's cases, read as the data is; first, so that a wrong file costs nothing.

    Raises:
        DataError: a file cannot be read, or holds no case.
    """
    data, files = recipe.data, recipe.evaluation.must_pass
    if not files:
        return ()
    cases = loaded(data, [Path(file) for file in files], minimum=1)
    yield Said(f"{len(cases.records):,} must-pass cases. {cases.explanation}")
    return cases.records


def must_pass(
    ctx: RunContext,
    wishes: EvaluationSection,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    cases: Sequence[Record],
    ways: Sequence[Arm],
    results: Sequence[ArmResult],
    trained: Result | None,
) -> Working[MustPassPart | None]:
    """What every arm that answered the whole test part on this machine makes of the cases; None without cases.

    Afterwards the model answers with the trained weights, if there are any.
    """
    if not cases:
        return None
    yield Stage("must_pass", "Asking the must-pass cases")
    start, least = time.monotonic(), _least(wishes, task.choice)
    whole = {r.name for r in results if not r.stopped}
    asked = [arm for arm in ways if arm.name in whole]
    failed: list[FailedCasePart] = []
    for arm in sorted(asked, key=lambda a: a.trained):
        adapter = trained.blob if trained and arm.trained else None
        model.use(trained.trained if trained and adapter else None, adapter)
        how = as_tested(ctx, model, task, examples, adapter)
        failed += yield from _failed(how, task.choice, arm, cases, least)
    ctx.ledger.took("must-pass cases", time.monotonic() - start)
    known = {r.prompt_text for r in examples.train}
    part = MustPassPart(
        cases=len(cases),
        least=least,
        asked=[arm.name for arm in asked],
        failed=failed,
        in_training=sum(case.prompt_text in known for case in cases),
    )
    part = part.model_copy(update={"sentence": _sentence(part)})
    yield Said(part.sentence, warning=bool(failed))
    return part


def _failed(
    how: Measuring, choice: MetricChoice, arm: Arm, cases: Sequence[Record], least: float
) -> Working[list[FailedCasePart]]:
    """The cases that an arm fails; a request that leaves no room for an answer is failed unasked."""
    fitting = [case for case in cases if _fits(how, arm, case)]
    out = [_part(arm, case, "", 0.0) for case in cases if case not in fitting]
    if not fitting:
        return out
    result = yield from answered(how, arm, fitting, choice)
    found = zip(fitting, result.answers, result.scores, strict=True)
    return [*out, *(_part(arm, case, answer, score) for case, answer, score in found if score < min(least, _ALL))]


def _fits(how: Measuring, arm: Arm, case: Record) -> bool:
    if arm.reply is not None:
        return True
    ids = how.model.renderer.prompt_ids(arm.ask(case), tools_of(case))
    return len(ids) + how.decoding.max_new_tokens <= how.model.base.context


def _part(arm: Arm, case: Record, answer: str, score: float) -> FailedCasePart:
    where = f"{Path(case.source.file).name} line {case.source.line}"
    return FailedCasePart(
        arm=arm.name, case=where, prompt=case.prompt_text, reference=case.answer_text, answer=answer, score=score
    )


def _least(wishes: EvaluationSection, choice: MetricChoice) -> float:
    """What a case must score: as wished, else everything; half by a metric of likeness."""
    if wishes.must_pass_score is not None:
        return wishes.must_pass_score
    return LEAST_LIKENESS if choice.primary.name in ALIKE else 1.0


def _sentence(part: MustPassPart) -> str:
    """How many cases each arm fails."""
    counts = {arm: len(part.failures(arm)) for arm in part.asked}
    told = ", ".join(f"{plain_name(arm)} {count}" for arm, count in counts.items() if count)
    sentence = f"Of {part.cases} must-pass cases (passed from a score of {part.least:g} on) "
    sentence += f"fail: {told}." if told else "every arm that was asked passes all."
    if part.in_training:
        sentence += f" {part.in_training} of them stand in the training part too, so passing them shows little."
    return sentence
