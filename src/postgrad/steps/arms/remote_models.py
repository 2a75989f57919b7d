"""Models at OpenAI-compatible addresses: who they are, what they cost, and how they are asked. All spend from one
purse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from postgrad.arm_kinds import REMOTE
from postgrad.errors import ModelError, UsageError
from postgrad.evaluation.metrics.support.metric import AskModel
from postgrad.models.remote.client import RemoteModel
from postgrad.models.remote.prices import known_price
from postgrad.models.remote.rules import Asking, SharedBudget, TokenPrice, parse_remote
from postgrad.progress import finished
from postgrad.recipe import EvaluationSection
from postgrad.records import Message
from postgrad.steps.context import RunContext

SENTENCE_TOKENS = 120
"""Of a sentence that says what a task is."""


@dataclass(frozen=True)
class Remote:
    """A remote model of a job.

    Attributes:
        arm: The arm's name.
        price: None where none is known.
        priced: The price, or that there is none, as an assumption of the report.
    """

    arm: str
    model: RemoteModel
    price: TokenPrice | None
    priced: str


def remote_arms(ctx: RunContext, settings: EvaluationSection) -> list[Remote]:
    """The wanted remote models; every fault of their settings is told before any work is done.

    Raises:
        UsageError: no remote model by that name, no key, no price where a budget needs one.
    """
    if settings.remote and REMOTE not in settings.arms:
        raise UsageError("Remote models are given, but not the arm remote.", "Add it: --arms …,remote")
    if not settings.remote and settings.arms == [REMOTE]:
        raise UsageError("The arm remote needs a model.", "Name it: --remote URL#MODEL")
    places = [parse_remote(text) for text in settings.remote]
    if len(set(places)) < len(places):
        raise UsageError("The same remote model is named twice.", "Name each once.")
    prices = settings.remote_price * (len(places) if len(settings.remote_price) == 1 else 1)
    if prices and len(prices) != len(places):
        raise UsageError(
            f"{len(prices)} prices are given for {len(places)} remote models.", "Give one for all, or one for each."
        )
    given = [TokenPrice(*pair) for pair in prices] or [None] * len(places)
    purse, key = ctx.ledger.purse, settings.remote_key_env
    return [
        _remote(purse, key, arm, place, price) for arm, place, price in zip(_names(places), places, given, strict=True)
    ]


def _names(places: Sequence[tuple[str, str]]) -> list[str]:
    """`remote`; of several `remote:MODEL`, with the host where two hosts have a model of that name."""
    if len(places) == 1:
        return [REMOTE]
    models = [model for _, model in places]
    return [f"{REMOTE}:{m}" + (f"@{urlsplit(u).netloc}" if models.count(m) > 1 else "") for u, m in places]


def _remote(
    purse: SharedBudget, key_env: str | None, arm: str, place: tuple[str, str], given: TokenPrice | None
) -> Remote:
    url, name = place
    listed = None if given else known_price(url, name)
    price = given or (listed[0] if listed else None)
    where = f"{url}#{name}"
    if price is None:
        priced = f"No price of {where} is known, so its answers are not in the costs (evaluation.remote_price)."
    else:
        source = "as given" if given else listed[1] if listed else ""
        priced = (
            f"{where}: {price.prompt:g} USD for a million tokens in, {price.completion:g} out: {source}"
            " (evaluation.remote_price)."
        )
    if price is None and purse.max_usd is not None:
        raise UsageError(
            f"A limit in USD cannot be enforced: no price of {where} is known.",
            "Give it in USD for a million tokens, in and out: --remote-price 0.15,0.60 (0,0 for a server of your own).",
        )
    model = RemoteModel(url, name, key_env=key_env)
    if priced not in purse.assumptions:
        purse.assumptions.append(priced)
    return Remote(arm, model, price, priced)


def lent(purse: SharedBudget, remote: Remote) -> RemoteModel:
    """The model with what is left in the purse."""
    remote.model.budget = purse.budget(_account_of(remote), remote.price)
    return remote.model


def settle(purse: SharedBudget, remote: Remote) -> None:
    """Takes what the model has spent out of the purse."""
    if (usd := remote.model.usd) is not None:
        purse.spent[_account_of(remote)] = usd


def _account_of(remote: Remote) -> str:
    """One a use: the same model may be an arm, the judge and the proposer."""
    return f"{remote.arm} {id(remote.model)}"


def task_writer(ctx: RunContext, settings: EvaluationSection) -> AskModel | None:
    """A model that can say what a task is: the proposer if it is remote, else the first remote model; None where there
    is none."""
    names = [name for name in (settings.proposer, *settings.remote) if name and "#" in name]
    return remote_ask(ctx, settings, names[0], SENTENCE_TOKENS) if names else None


def remote_named(ctx: RunContext, settings: EvaluationSection, name: str) -> Remote:
    """A remote model that is no arm, by its `URL#MODEL`, at the price of the arm of that name.

    Raises:
        UsageError: no remote model by that name, no key, no price where a budget needs one.
    """
    place = parse_remote(name)
    places = [parse_remote(text) for text in settings.remote]
    prices = settings.remote_price
    listed = prices[places.index(place)] if place in places and len(prices) == len(places) else None
    pair = listed or (prices[0] if len(prices) == 1 else None)
    return _remote(ctx.ledger.purse, settings.remote_key_env, name, place, TokenPrice(*pair) if pair else None)


def budget_spent(purse: SharedBudget, missing: int, asked: int, name: str) -> ModelError:
    """The error where a budget has left requests unanswered."""
    return ModelError(
        f"The budget of {purse.max_usd:g} USD is spent; {missing} of {asked} requests to {name} remain.",
        "The answers so far are kept: run the same command again, or raise the limit (evaluation.remote_budget_usd).",
    )


def remote_ask(ctx: RunContext, settings: EvaluationSection, name: str, tokens: int) -> AskModel:
    """A remote model that answers chats, for metrics and proposers; equal chats are paid for once.

    Raises:
        UsageError: no remote model by that name, no key, no price where a budget needs one.
    """
    remote, purse = remote_named(ctx, settings, name), ctx.ledger.purse

    def ask(chats: Sequence[Sequence[Mapping[str, str]]]) -> Sequence[str]:
        asked = [[Message.from_dict(m) for m in chat] for chat in chats]
        try:
            answers = finished(lent(purse, remote).answer(asked, Asking(tokens), ctx.stopped))
        finally:
            settle(purse, remote)
        missing = sum(a is None for a in answers)
        if missing:
            raise budget_spent(purse, missing, len(answers), name)
        return [a.text for a in answers if a is not None]

    return ask
