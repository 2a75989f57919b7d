"""What the metrics of a job may use besides text: the model that judges, and the measured model's own likelihoods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from postgrad.errors import DataError
from postgrad.evaluation.metrics.support.metric import AskModel, MetricResources, Rewards
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.generation.likelihood import ChoiceItem, log_likelihoods
from postgrad.models.language_model import LanguageModel, load_model
from postgrad.recipe import EvaluationSection
from postgrad.records import Message
from postgrad.steps.arms.remote_models import remote_ask
from postgrad.steps.arms.reward_models import registered_rewards
from postgrad.steps.context import RunContext
from postgrad.storage import sha256_json

JUDGEMENT_TOKENS = 160
REMOTE_TOKENS = 1024  # it is paid by what it writes, and some think first


class MeasuredModel:
    """The model that is measured, for metrics that ask how likely it finds an answer: they are chosen before it is
    loaded."""

    def __init__(self, model: LanguageModel | None = None) -> None:
        self.model = model

    @property
    def loaded(self) -> LanguageModel:
        """The model, once it is there."""
        if self.model is None:
            raise RuntimeError("a model is asked for likelihoods before it is loaded")
        return self.model


def metric_resources(ctx: RunContext, settings: EvaluationSection, measured: MeasuredModel) -> MetricResources:
    """The means that the recipe allows; models are loaded when they are first asked."""
    ask = asking(ctx, settings, settings.judge, JUDGEMENT_TOKENS) if settings.judge else None
    return MetricResources(
        ask,
        settings.judge or "",
        partial(means_now, ctx, measured),
        partial(sides_now, ctx, measured),
        partial(sides_at_the_start, ctx, measured),
        settings.own_code,
        _rewards,
    )


def _rewards(name: str) -> Rewards:
    return registered_rewards(name).rewards


def asking(ctx: RunContext, settings: EvaluationSection, name: str, tokens: int) -> AskModel:
    """A model that answers chats, at an address (`URL#MODEL`) or on this machine.

    Raises:
        UsageError: a remote model's settings are wrong.
    """
    if not is_remote(name):
        return local_judge(name, tokens)
    return remote_ask(ctx, settings, name, REMOTE_TOKENS)


def is_remote(name: str) -> bool:
    """Whether a model's name is an address."""
    return name.startswith(("http://", "https://"))


def local_judge(name: str, tokens: int = JUDGEMENT_TOKENS) -> AskModel:
    """A model on this machine that answers chats greedily; equal chats are asked once."""
    loaded: list[LanguageModel] = []
    known: dict[str, str] = {}

    def ask(chats: Sequence[Sequence[Mapping[str, str]]]) -> Sequence[str]:
        if not loaded:
            loaded.append(load_model(name))
        model = loaded[0]
        keys = [repr(chat) for chat in chats]
        new = {key: chat for key, chat in zip(keys, chats, strict=True) if key not in known}
        prompts = [model.renderer.prompt_ids([Message.from_dict(m) for m in chat]) for chat in new.values()]
        decoding = Decoding(tokens).for_chat(model.renderer).with_thought(model.renderer)
        _check_room(model, prompts, decoding.max_new_tokens)
        order = list(new)
        for place, completion in complete(model, prompts, decoding):
            known[order[place]] = completion.text
        return [known[key] for key in keys]

    return ask


def model_asked(model: LanguageModel, tokens: int) -> AskModel:
    """A loaded model, as one that answers chats greedily; a chat that it has no room for it answers with nothing."""

    def ask(chats: Sequence[Sequence[Mapping[str, str]]]) -> Sequence[str]:
        prompts = [model.renderer.prompt_ids([Message.from_dict(m) for m in chat]) for chat in chats]
        decoding = Decoding(tokens).for_chat(model.renderer).with_thought(model.renderer)
        fits = [i for i, ids in enumerate(prompts) if len(ids) + decoding.max_new_tokens <= model.base.context]
        out = [""] * len(prompts)
        for place, completion in complete(model, [prompts[i] for i in fits], decoding):
            out[fits[place]] = completion.text
        return out

    return ask


def _check_room(model: LanguageModel, prompts: Sequence[Sequence[int]], tokens: int) -> None:
    longest = max((len(p) for p in prompts), default=0)
    if longest + tokens > model.base.context:
        raise DataError(
            f"The longest request and answer to judge have {longest} tokens, and a judgement up to {tokens}; the judge "
            f"{model.name} has room for {model.base.context}.",
            "Use a judge with a longer context (evaluation.judge), or a metric that needs none.",
        )


def mean_logprobs(model: LanguageModel, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
    """The mean natural log-probability a token of each (messages, answer)."""
    items = [
        ChoiceItem(tuple(model.renderer.prompt_ids(messages)), (tuple(model.renderer.encode(answer)),))
        for messages, answer in pairs
    ]
    scores = dict(log_likelihoods(model, items))
    return [scores[i][0] / max(1, len(items[i].choices[0])) for i in range(len(items))]


Asked = Sequence[tuple[tuple[Message, ...], tuple[str, ...]]]
"""(messages, answers) of each question."""


def means_now(
    ctx: RunContext, measured: MeasuredModel, pairs: Sequence[tuple[tuple[Message, ...], str]]
) -> list[float]:
    """The mean log-probability a token of each (messages, answer) under the model as it stands, in nats; kept like
    `sides_now`. NaN where the messages leave no room."""
    sums = sides_now(ctx, measured, [(messages, (answer,)) for messages, answer in pairs])
    encode = measured.loaded.renderer.encode
    return [total / max(1, len(encode(answer))) for (total,), (_, answer) in zip(sums, pairs, strict=True)]


def sides_now(ctx: RunContext, measured: MeasuredModel, asked: Asked) -> list[list[float]]:
    """The log-probability of each answer under the model as it stands, in nats; kept by model and question."""
    model = measured.loaded
    items = [
        ([int(i) for i in model.renderer.prompt_ids(messages)], [list(model.renderer.encode(a)) for a in answers])
        for messages, answers in asked
    ]
    inputs = {"model": model.base.hash, "trained": model.trained_id, "dtype": model.device.dtype}
    key, kept = ctx.kept("likelihoods", {**inputs, "items": sha256_json(items)}, ("models",))
    if kept is None:
        kept = {"values": _sides(model, items)}
        ctx.store.put("likelihoods", key, {"model": model.name}, kept)
    return [[math.nan if value is None else value for value in values] for values in kept["values"]]


def sides_at_the_start(ctx: RunContext, measured: MeasuredModel, asked: Asked) -> list[list[float]]:
    """The same under the base; afterwards the model stands as before."""
    model = measured.loaded
    trained = model.trained_id
    if trained is None:
        return sides_now(ctx, measured, asked)
    model.use(None)
    try:
        return sides_now(ctx, measured, asked)
    finally:
        model.use(load_trained(ctx.blobs.get_folder(trained)), trained)


def _sides(model: LanguageModel, items: Sequence[tuple[list[int], list[list[int]]]]) -> list[list[float | None]]:
    """None for every answer of a question where one has no room."""
    room = model.base.context
    fits = [i for i, (prompt, answers) in enumerate(items) if len(prompt) + max(map(len, answers)) <= room]
    asked = [ChoiceItem(tuple(items[i][0]), tuple(tuple(a) or (0,) for a in items[i][1])) for i in fits]
    out: list[list[float | None]] = [[None] * len(answers) for _, answers in items]
    for place, values in log_likelihoods(model, asked) if asked else ():
        out[fits[place]] = list(values)
    return out
