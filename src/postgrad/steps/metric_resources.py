"""What the metrics of a job may use besides text: the model that judges, and the measured model's own likelihoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postgrad.errors import DataError
from postgrad.evaluation.metrics.support.metric import AskModel, MetricResources
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.generation.likelihood import ChoiceItem, log_likelihoods
from postgrad.models.language_model import LanguageModel, load_model
from postgrad.records import Message
from postgrad.steps.context import Job
from postgrad.steps.remote_models import remote_ask

JUDGEMENT_TOKENS = 160
REMOTE_TOKENS = 1024  # it is paid by what it writes, and some think first


def metric_resources(job: Job) -> MetricResources:
    """The means that the recipe allows; models are loaded when they are first asked."""
    settings = job.recipe.evaluation
    ask = asking(job, settings.judge, JUDGEMENT_TOKENS) if settings.judge else None
    return MetricResources(
        ask, settings.judge or "", lambda pairs: mean_logprobs(_loaded(job), pairs), settings.own_code
    )


def asking(job: Job, name: str, tokens: int) -> AskModel:
    """A model that answers chats, at an address (`URL#MODEL`) or on this machine.

    Raises:
        UsageError: a remote model's settings are wrong.
    """
    if not is_remote(name):
        return local_judge(name, tokens)
    return remote_ask(job, name, REMOTE_TOKENS)


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
        _check_room(model, prompts, tokens)
        order = list(new)
        for place, completion in complete(model, prompts, Decoding(tokens)):
            known[order[place]] = completion.text
        return [known[key] for key in keys]

    return ask


def _check_room(model: LanguageModel, prompts: Sequence[Sequence[int]], tokens: int) -> None:
    longest = max((len(p) for p in prompts), default=0)
    if longest + tokens > model.base.context:
        raise DataError(
            f"The longest request and answer to judge have {longest} tokens, and a judgement up to {tokens}; the judge "
            f"{model.name} has room for {model.base.context}.",
            "Name a judge with a longer context (evaluation.judge), or a metric that needs none.",
        )


def mean_logprobs(model: LanguageModel, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
    """The mean natural log-probability a token of each (messages, answer)."""
    items = [
        ChoiceItem(tuple(model.renderer.prompt_ids(messages)), (tuple(model.renderer.encode(answer)),))
        for messages, answer in pairs
    ]
    scores = dict(log_likelihoods(model, items))
    return [scores[i][0] / max(1, len(items[i].choices[0])) for i in range(len(items))]


def _loaded(job: Job) -> LanguageModel:
    if job.model is None:
        raise RuntimeError("a model is asked for likelihoods before it is loaded")
    return job.model
