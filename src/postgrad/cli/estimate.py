"""`postgrad estimate`: tokens, memory, time and money before anything is spent, without importing torch."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import errors, out
from postgrad.cli.support.options import Assistant, Input, Output, Speaker, Thread, reading, training_settings
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.objectives import choices, spec_of
from postgrad.progress import Said, finished
from postgrad.records import Record, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postgrad.data.load import LoadedRecords
    from postgrad.data.sources.in_memory import InMemory
    from postgrad.models.rendering.render import Renderer
    from postgrad.objectives import Cost
    from postgrad.recipe import DataSection, Recipe, TrainingSection


def command(
    data: Annotated[
        list[Path] | None, typer.Argument(help="Files of examples, or of text with --objective pretrain.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model.")] = None,
    objective: Annotated[str | None, typer.Option(help=f"Training objective: {choices()}.")] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file; options override it.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training data.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="Any training setting: method=full, rank=32 …")] = None,
    price_per_hour: Annotated[float | None, typer.Option(help="Cost of this machine, in USD an hour.")] = None,
    money: Annotated[
        bool, typer.Option("--money", help="When a tuned model is earned back, from prices alone; data is optional.")
    ] = False,
    monthly_queries: Annotated[int | None, typer.Option(help="With --money: answers a month.")] = None,
    price_now: Annotated[float | None, typer.Option(help="With --money: what an answer costs now, in USD.")] = None,
    price_tuned: Annotated[
        float | None, typer.Option(help="With --money: what an answer of the tuned model costs besides, in USD.")
    ] = None,
    one_off: Annotated[
        str | None, typer.Option(help="With --money: USD spent once besides training: 2000 or 2000-5000.")
    ] = None,
    monthly_costs: Annotated[
        str | None, typer.Option(help="With --money: USD that the tuned model costs a month: 50 or 50-100.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """What training on this data would take on this machine, and when it would be earned back."""
    from postgrad.recipe import Recipe, load_recipe, merged

    prices = {
        "--monthly-queries": monthly_queries,
        "--price-now": price_now,
        "--price-tuned": price_tuned,
        "--one-off": one_off,
        "--monthly-costs": monthly_costs,
    }
    _refuse(data, money, [option for option, value in prices.items() if value is not None])
    changes = {
        "base": base,
        "training.objective": objective,
        "training.epochs": epochs,
        "decision.monthly_queries": monthly_queries,
        **reading(input, output, thread, speaker, assistant),
        **training_settings(set or []),
    }
    chosen = merged(load_recipe(recipe) if recipe else Recipe(), changes)
    figures, lines = _training(chosen, data, price_per_hour) if data else ({}, [])
    if money:
        from postgrad.cli.support.estimate_money import money_figures, money_lines

        usd = figures.get("usd")
        figures["money"] = money_figures(chosen.decision, price_now, price_tuned or 0.0, one_off, monthly_costs, usd)
        lines += money_lines(figures["money"])
    out(jsonlib.dumps(figures) if json else "\n".join(lines))


def _told(event: object) -> None:
    if isinstance(event, Said):
        errors.print(event.text, markup=False)


def _refuse(data: Sequence[Path] | None, money: bool, prices: Sequence[str]) -> None:
    """Refuses a command with nothing to estimate, and prices that nothing would read."""
    if not data and not money:
        raise UsageError("There is nothing to estimate: no files of examples.", "For money alone give --money.")
    if prices and not money:
        raise UsageError(f"{', '.join(prices)}: read only with --money.", "Add --money.")


def _training(recipe: Recipe, data: Sequence[Path], price: float | None) -> tuple[JsonObject, list[str]]:
    """What a training takes, as JSON and as lines of text."""
    from postgrad.models.base_models import find_model
    from postgrad.models.rendering.render import load_renderer
    from postgrad.steps.base_choice import with_chosen_base
    from postgrad.steps.estimating import estimate

    _measured_once()
    recipe, loaded = _fitted(finished(with_chosen_base(recipe), _told), data)
    model, settings = find_model(recipe.base, lambda text: errors.print(text, markup=False)), recipe.training
    renderer = load_renderer(model)
    explanation, records, pairs = examples_of(settings, data, recipe.data, loaded)
    plan, before = plans_of(renderer, settings, records, pairs)
    lengths = sorted(plan.sequences)
    figures = estimate(model, plan, settings, price, recipe.max_minutes, before)
    lines = [
        explanation,
        f"{len(records)} examples{f', {len(lengths)} sequences' if plan.units > 1 else ''}, {figures['tokens']:,}"
        f" tokens, of which {figures['supervised_tokens']:,} are trained on; longest {lengths[-1]}, middle"
        f" {lengths[len(lengths) // 2]}.",
    ]
    if figures["too_long"]:
        lines.append(f"! {figures['too_long']} examples are longer than the model's context of {model.context} tokens.")
    lines.append(
        f"Training ({settings.method}), {figures['epochs']:.3g} passes: about {figures['minutes']:.0f}"
        f" minutes ({figures['rate']}), {figures['memory_bytes'] / 1e9:.1f} GB of memory, {figures['usd']:.2f} USD."
    )
    if reward := figures.get("reward_model"):
        lines.append(
            f"Before that a reward model is trained on the {reward['examples']} pairs, {reward['epochs']:.3g} passes:"
            f" about {reward['minutes']:.0f} minutes, {reward['memory_bytes'] / 1e9:.1f} GB of memory,"
            f" {reward['usd']:.2f} USD more."
        )
    lines.append(" ".join(filter(None, (plan.note, figures["assumption"]))))
    lines += _whole(figures)
    lines += [f"Trained as a service instead: {h['usd']:.2f} USD, at {h['price']}" for h in figures["hosted"]]
    if figures["memory_bytes"] > figures["memory_available"]:
        ways = "; ".join(figures["fitting"]) or "a smaller base or shorter examples"
        lines.append(f"! This machine has {figures['memory_available'] / 1e9:.1f} GB free. This fits: {ways}.")
    return figures, lines


def _fitted(recipe: Recipe, data: Sequence[Path]) -> tuple[Recipe, LoadedRecords | None]:
    """With the objective that `run` would take for such records, where none is named, and what was read for that."""
    if recipe.training.named_objective:
        return recipe, None
    from postgrad.steps import loading
    from postgrad.steps.material import with_objective

    loaded = loading.loaded(recipe.data, data)
    return finished(with_objective(recipe, loaded), _told), loaded


def _measured_once() -> None:
    """Measures the machine where nobody has yet and somebody waits for the answer; otherwise its speed is assumed, and
    said to be."""
    import subprocess
    import sys

    from postgrad.steps.known_device import known_device

    if not known_device().measured and errors.is_terminal:
        errors.print("Measuring this machine's speed once; it takes some seconds …", markup=False)
        subprocess.run([sys.executable, "-m", "postgrad", "doctor", "--json"], capture_output=True, check=False)


def _whole(figures: JsonObject) -> list[str]:
    """The whole job here, and on a rented GPU of each size."""
    run = figures["run"]
    plan = "as --max-minutes says" if run["limited"] else "--max-minutes changes it"
    lines = [
        f"The whole job (`postgrad run`: all arms, training, forgetting, report): planned for {run['minutes']:.0f}"
        f" minutes at most ({plan}), about {run['memory_bytes'] / 1e9:.1f} GB of memory, {run['usd']:.2f} USD.",
        "On one rented GPU, by its maker's peak (not measured):",
    ]
    for gpu in figures["elsewhere"]:
        if gpu["fits"]:
            both = f"training {_minutes(gpu['minutes'])}, the whole job {_minutes(gpu['run_minutes'])}"
            took = f"{both}, {gpu['usd']:.2f} USD"
        else:
            ways = "; ".join(gpu["fitting"][:2])
            took = f"does not fit; {ways} would" if ways else "does not fit"
        lines.append(f"  {gpu['gpu']:5} {gpu['memory_gb']:3} GB  {took}")
    return lines


def _minutes(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else f"{minutes:.0f} min"


def examples_of(
    settings: TrainingSection,
    data: Sequence[Path | InMemory],
    section: DataSection,
    loaded: LoadedRecords | None = None,
) -> tuple[str, list[Record], list[Record]]:
    """How the data was read, what of it would be trained on, and the pairs that a reward model would be trained on
    before that.

    Args:
        settings: Of the training.
        data: The files.
        section: How they are read.
        loaded: What was read of them already.
    """
    if spec_of(settings.objective).records is Text:
        from postgrad.data.documents.raw_texts import load_texts

        texts = list(loaded) if loaded else load_texts(data, section.include)
        return f"{len(texts)} documents of raw text.", list(texts), []
    from postgrad.steps import loading
    from postgrad.steps.fitting.pairs_as_prompts import needs_reward_model, prompts_of, reading_objective
    from postgrad.steps.fitting.trainable_records import wanted_by

    loaded = loaded or loading.loaded(section, data)
    reading = reading_objective(settings, lambda: loaded)
    wanted = wanted_by(reading)
    wanted.refuse(loaded)
    records = wanted.answered(wanted.read(loaded.records))
    if reading == settings.objective:
        return loaded.explanation, records, []
    return loaded.explanation, prompts_of(records), records if needs_reward_model(settings) else []


def plans_of(
    renderer: Renderer, settings: TrainingSection, records: Sequence[Record], pairs: Sequence[Record]
) -> tuple[Cost, Cost | None]:
    """What training computes, and what the training of a reward model before it does."""

    def plan(of: TrainingSection, some: Sequence[Record]) -> Cost:
        return spec_of(of.objective).cost(renderer, some, of.max_length, of.too_long, of.options)

    from postgrad.steps.fitting.pairs_as_prompts import reward_settings

    return plan(settings, records), plan(reward_settings(settings), pairs) if pairs else None
