"""What a training would take, from Python: the figures of `postgrad estimate`, without importing torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.cli.estimate import examples_of, plans_of
from postgrad.data.sources.in_memory import sources
from postgrad.extensions import in_call
from postgrad.json_types import JsonObject
from postgrad.models.base_models import find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.python.arguments import DataLike, Place, SettingsLike, data_changes, recipe_of
from postgrad.python.own import OwnObjective, given_of
from postgrad.recipe import Recipe
from postgrad.steps.estimating import estimate as figures_of


@dataclass(frozen=True, repr=False)
class Estimate:
    """Tokens, memory, time and money of a training on this machine.

    Attributes:
        longest: Tokens of the longest example.
        too_long: Examples longer than the model's context.
        fitting: Ways that fit into the memory that is free, in words.
        usd: By the price of an hour of this machine; `assumption` says where that price is from.
        rate: The speed that the minutes rest on, and whether it was measured.
        run: The whole job here: `minutes` at most, `memory_bytes`, `usd`.
        elsewhere: The same on one rented GPU of each size, by its maker's peak: `gpu`, `fits`, `minutes` of the
            training, `run_minutes` and `usd` of the whole job, `price` with its date.
        reward_model: Of the reward model that is trained on pairs first: `examples`, `minutes`, `memory_bytes`, `usd`;
            None where none is.
        hosted: What services take for training on the same tokens: `usd`, and `price` with its date and source.
    """

    examples: int
    tokens: int
    supervised_tokens: int
    longest: int
    epochs: float
    too_long: int
    minutes: float
    memory_bytes: float
    memory_available: int
    fitting: list[str]
    usd: float
    assumption: str
    rate: str
    run: JsonObject
    elsewhere: list[JsonObject]
    hosted: list[JsonObject]
    reward_model: JsonObject | None = None

    def __repr__(self) -> str:
        return (
            f"{self.examples:,} examples, {self.tokens:,} tokens; {self.epochs:g} passes: about {self.minutes:.0f}"
            f" minutes ({self.rate}), {self.memory_bytes / 1e9:.1f} GB of memory, {self.usd:.2f} USD."
        )


def estimate(
    data: DataLike,
    recipe: Recipe | Place | None = None,
    *,
    base: str | None = None,
    objective: OwnObjective | None = None,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    price_per_hour: float | None = None,
    settings: SettingsLike | None = None,
) -> Estimate:
    """What training on this data would take on this machine, before anything is spent.

    Args:
        data: As for `run`.
        recipe: All settings, or a file of them; the arguments override it.
        base: Base model.
        objective: What training learns from: a name, or the spec of one of your own.
        input: Column(s) of the request.
        output: Column(s) of the answer.
        price_per_hour: What an hour of this machine costs, in USD.
        settings: Any settings by their dotted names, for example `{"training.epochs": 2}`.

    Raises:
        PostgradError: the data or the model cannot be had.
    """
    own = given_of(objective=objective)
    with in_call(own.given):
        changes = {"base": base, "training.objective": own.objective, **data_changes(input, output, None, ())}
        chosen = recipe_of(recipe, settings, changes)
        model, asked = find_model(chosen.base), chosen.training
        renderer = load_renderer(model)
        _, records, pairs = examples_of(asked, sources(data), chosen.data)
        plan, before = plans_of(renderer, asked, records, pairs)
        return Estimate(**figures_of(model, plan, asked, price_per_hour, chosen.max_minutes, before))
