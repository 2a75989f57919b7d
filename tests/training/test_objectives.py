"""The list of objectives: read without torch, and everything that is told of them agrees with their specs."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

import pytest
import yaml

from postgrad.objectives import OBJECTIVES, names, option_names, spec_of
from postgrad.training.objectives.base import Objective
from postgrad.training.objectives.dpo import LOSSES, DpoOptions
from postgrad.training.rollouts import RolloutObjective
from postgrad.training_settings import TrainingSettings

ROOT = Path(__file__).parent.parent.parent


def table() -> str:
    """The table of docs/training.md."""
    lines = ["| Objective | learns from | its own settings | usual rate; of `full` |", "|---|---|---|---|"]
    for name in OBJECTIVES:
        spec = spec_of(name)
        told = ", ".join(f"`{o}` {_default(info.default)}".strip() for o, info in spec.fields.items())
        rates = f"{spec.rates.adapters:.0e}; {spec.rates.full:.0e}".replace("e-0", "e-")
        lines.append(f"| `{name}` | {spec.records.__name__}: {spec.learns} | {told or '—'} | {rates} |")
    return "\n".join(lines)


def _default(value) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_of_the_docs_is_that_of_the_specs():
    assert table() in (ROOT / "docs" / "training.md").read_text("utf-8"), f"put this there:\n{table()}"


def test_the_main_recipe_names_every_setting():
    section = yaml.safe_load((ROOT / "recipes" / "main.yaml").read_text("utf-8"))["training"]
    assert set(section) >= set(option_names())
    assert set(option_names()) & set(TrainingSettings.model_fields) == set(), "an option would hide a setting"


def test_specs_are_read_without_torch():
    code = (
        "import sys; from postgrad.objectives import names, spec_of; specs = [spec_of(n) for n in names()];"
        " from postgrad.recipe import make_recipe; make_recipe({'training': {'objective': 'dpo', 'loss': 'ipo'}});"
        " sys.exit('torch' in sys.modules or not specs)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", names())
def test_every_spec_says_what_its_objective_does(name, tiny):
    spec = spec_of(name)
    assert spec.name == name and issubclass(spec.make, Objective)
    assert all(info.description for info in spec.fields.values()), "a docstring under each option"
    assert spec.validates_itself == issubclass(spec.make, RolloutObjective) == ("reward" in spec.needs)
    assert len(inspect.getsource(sys.modules[spec.make.__module__]).splitlines()) <= 130


def test_every_loss_that_can_be_asked_for_is_there():
    assert set(LOSSES) == set(get_args(DpoOptions.__pydantic_fields__["loss"].annotation))
    assert DpoOptions.__pydantic_fields__["loss"].annotation == Literal["sigmoid", "robust", "ipo", "hinge"]


def test_each_objective_has_a_state_of_its_own(tiny):
    from postgrad.training.objectives import make_objective

    one, other = (make_objective("dpo", tiny.renderer) for _ in range(2))
    one.tally.add("rewards/chosen", 1.0)
    assert other.tally.kept() == {} and one.tally is not other.tally
    assert make_objective("sft", tiny.renderer).tally is not make_objective("sft", tiny.renderer).tally
    with pytest.raises(TypeError, match="abstract"):
        Objective()  # pyright: ignore[reportAbstractUsage]


def test_grpo_is_an_advantage_and_a_loss():
    import postgrad.training.objectives.grpo as grpo

    own = re.findall(r"    def (\w+)", inspect.getsource(grpo.Grpo))
    assert own == ["__init__", "advantages", "teaches", "loss_of"]


def test_the_usual_rate_falls_with_the_width_and_with_the_length_of_the_training():
    rates = spec_of("sft").rates
    assert rates.of("lora") == 1e-3 and rates.of("full") == 1e-4
    assert [rates.of("lora", 576, steps) for steps in (1, 100, 150, 300, 3000)] == [3e-3, 3e-3, 2e-3, 1e-3, 1e-3]
    assert [rates.of("lora", width, 1000) for width in (32, 576, 1024, 2048, 4096)] == [
        1e-3,
        1e-3,
        6.38e-4,
        3.72e-4,
        2.17e-4,
    ]
    assert rates.of("full", 576, 10) == 1e-4, "whole weights have no short rate"
    assert spec_of("dpo").rates.of("lora", 576, 10) == 1e-4, "nor have preferences"


def test_a_rate_that_is_given_is_taken_as_it_is_and_a_factor_multiplies_the_usual_one():
    assert TrainingSettings(learning_rate=5e-4).peak_rate(4096, 10) == 5e-4
    assert TrainingSettings(learning_rate_factor=2.0).peak_rate(576, 1000) == 2e-3
