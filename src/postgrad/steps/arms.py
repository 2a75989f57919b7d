"""The arms of a job: made from train and validation, measured on test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from postgrad.evaluation import arms as ways
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.few_shot import candidate_sets, choose_examples
from postgrad.evaluation.measure import Answers, check_room, measure, room_for_answers
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.evaluation.retrieval import Index, Retriever
from postgrad.measures import ArmResult
from postgrad.models.generation.generate import Decoding
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.records import Message, Record, tools_of
from postgrad.report.run_report import LeftOutPart
from postgrad.steps.context import Job
from postgrad.steps.metric_resources import mean_logprobs
from postgrad.steps.passages import quality_of_documents, quality_of_examples
from postgrad.steps.prompt_search import searched_prompt
from postgrad.steps.read import Data

SHOT_TOKENS = 900  # a few-shot block of about this size; its cost is shared by all prompts
NEAR_TOKENS = 240  # retrieved examples of about this size; every request pays for its own


def untrained_arms(job: Job, model: LanguageModel, data: Data) -> Working[list[Arm]]:
    """The wanted arms among base, prompted, few_shot and rag."""
    wanted = job.recipe.evaluation.arms
    out: list[Arm] = []
    usual = sum(model.renderer.count(f"{r.prompt_text}\n{r.answer_text}") + 12 for r in data.train) / len(data.train)
    if "base" in wanted:
        out.append(ways.base())
    if "prompted" in wanted:
        out.append(ways.prompted(data.system_prompt))
    shown = [name for name in ("few_shot", "optimised_prompt") if name in wanted]
    count = _shot_count(model, data, usual) if shown else 0
    if shown and not count:
        yield from _no_room(job, model, shown)
    elif shown:
        block = yield from shots(job, model, data, count)
        if "few_shot" in wanted:
            out.append(ways.few_shot(data.system_prompt, block[0]))
        if "optimised_prompt" in wanted:
            out.append((yield from searched_prompt(job, model, data, *block)))
    if "rag" in wanted and data.retrieve is not None:
        out.append(_documents_arm(model, data, data.system_prompt, data.retrieve, "rag"))
    elif "rag" in wanted:
        index = Index([r.prompt_text for r in data.train])
        count = max(1, min(3, int(NEAR_TOKENS / usual)))
        arm = ways.rag_examples(data.system_prompt, data.train, index, count)
        out.append(replace(arm, quality=quality_of_examples(data.train, index, count)))
    return out


def _shot_count(model: LanguageModel, data: Data, usual: float) -> int:
    """How many worked examples are shown: two to five, fewer where the context has no room for them."""
    known = (*data.train, *data.validation)
    longest = sorted(known, key=lambda r: -len(r.prompt_text))[:3]
    ask = ways.prompted(data.system_prompt).ask
    asked = max(len(model.renderer.prompt_ids(ask(r), tools_of(r))) for r in longest)
    left = 0.9 * (model.base.context - room_for_answers(model, known)[0]) - asked
    return min(int(left / usual), max(2, min(5, int(SHOT_TOKENS / usual)))) if left > usual else 0


def _no_room(job: Job, model: LanguageModel, names: Sequence[str]) -> Working[None]:
    reason = (
        f"the context of {model.name} ({model.base.context} tokens) has no room for a worked example beside the longest"
        " requests"
    )
    for name in names:
        job.left_out.append(LeftOutPart(name=name, reason=reason))
    yield Said(f"Left out: {', '.join(names)}: {reason}.", warning=True)


def fine_tuned_arms(job: Job, data: Data) -> list[Arm]:
    """The wanted arms that answer with the trained model."""
    if job.model is None:
        raise ValueError("the model is loaded before its arms are made")
    own = data.system_prompt if data.own_system else None
    out = [ways.fine_tuned(PromptBuilder(job.model.renderer, own))]
    if "fine_tuned+rag" in job.recipe.evaluation.arms and data.retrieve is not None:
        out.append(_documents_arm(job.model, data, own, data.retrieve, "fine_tuned+rag"))
    return out


def _documents_arm(model: LanguageModel, data: Data, instruction: str | None, retrieve: Retriever, name: str) -> Arm:
    """An arm that gets passages, as much of them as the model has room for."""
    room, _ = room_for_answers(model, [*data.train, *data.validation])
    arm = ways.with_documents(name, name != "rag", PromptBuilder(model.renderer, instruction, retrieve, room))
    return replace(arm, quality=quality_of_documents(retrieve))


def measure_arms(
    job: Job, model: LanguageModel, data: Data, arms: Sequence[Arm], adapter: str | None = None
) -> Working[list[ArmResult]]:
    """Every arm on the test part, with its interval."""
    room, longer = room_for_answers(model, [*data.train, *data.validation])
    decoding = Decoding(room)
    if longer and adapter is None:
        yield Said(
            f"Answers may take {room} tokens; {longer} of the known right answers are longer, and such answers will be"
            " cut in every arm alike.",
            warning=True,
        )
    asked = [[arm.ask(r) for r in data.test] for arm in arms]
    for remark in filter(None, (arm.remark() for arm in arms)):
        yield Said(remark, warning=True)
    rendered = [[model.renderer.prompt_ids(m, tools_of(r)) for m, r in zip(a, data.test, strict=True)] for a in asked]
    for arm, prompts in zip(arms, rendered, strict=True):  # all refusals before the first answer is paid for
        check_room(model, arm.name, prompts, decoding, data.test)
    answers = Answers.open(job.store, model.base.hash, adapter, decoding, model.device.dtype)
    out: list[ArmResult] = []
    for arm, messages, prompts in zip(arms, asked, rendered, strict=True):
        yield Said(f"Arm {arm.name}: {arm.note}")
        start = time.monotonic()
        result = yield from measure(
            model,
            arm,
            prompts,
            data.test,
            data.choice,
            decoding,
            answers,
            job.price,
            data.groups,
            job.stopped,
            messages,
        )
        job.seconds[f"arm {arm.name}"] = time.monotonic() - start
        if arm.quality is not None:
            found = arm.quality(data.test, result.scores)
            result = replace(result, details={**result.details, "retrieval": found})
            yield Said(f"{arm.name}: {found['sentence']}.")
        score = result.score
        yield Said(
            f"{arm.name}: {data.choice.primary.title} {100 * score.value:.1f} % (95 % interval {100 * score.low:.1f} to"
            f" {100 * score.high:.1f})"
        )
        out.append(result)
    return out


def answered(
    job: Job, model: LanguageModel, data: Data, arm: Arm, records: Sequence[Record], adapter: str | None
) -> Working[ArmResult]:
    """One arm on records other than the test part, with the decoding of the test."""
    room, _ = room_for_answers(model, [*data.train, *data.validation])
    decoding = Decoding(room)
    asked = [arm.ask(r) for r in records]
    prompts = [model.renderer.prompt_ids(m, tools_of(r)) for m, r in zip(asked, records, strict=True)]
    answers = Answers.open(job.store, model.base.hash, adapter, decoding, model.device.dtype)
    return (
        yield from measure(
            model, arm, prompts, records, data.choice, decoding, answers, job.price, None, job.stopped, asked
        )
    )


def shots(job: Job, model: LanguageModel, data: Data, count: int) -> Working[tuple[list[Record], list[list[Record]]]]:
    """The few-shot block, chosen on validation, and the sets that it was chosen among; the choice is kept."""
    sets = candidate_sets(data.train, count, job.recipe.seed)
    judges = sorted(data.validation, key=lambda r: len(r.prompt_text))[:12]

    def ask(examples: list[Record], record: Record) -> tuple[Message, ...]:
        return ways.few_shot(data.system_prompt, examples).ask(record)

    inputs = {
        "model": model.base.hash,
        "prompts": [[[m.to_dict() for m in ask(s, r)], r.answer_text] for s in sets for r in judges],
        "dtype": model.device.dtype,
    }
    key, kept = job.kept("few_shot", inputs, ("models", "evaluation"))
    if kept is None:
        best, values = choose_examples(sets, judges, ask, lambda pairs: mean_logprobs(model, pairs))
        kept = {"best": best, "values": values}
        job.store.put("few_shot", key, {"sets": len(sets)}, kept)
    yield Said(
        f"Few-shot: the best of {len(sets)} sets of {count} examples by the likelihood of {len(judges)} validation"
        " answers."
    )
    return sets[kept["best"]], sets
