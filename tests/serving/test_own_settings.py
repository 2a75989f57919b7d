"""What stands behind `auto`, which base is meant, and that every own setting reaches the recipe."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.serving.wire.job_requests import CreateJob, OwnSettings
from postgrad.steps.openai_jobs.hyperparameters import (
    base_for,
    chosen,
    chosen_batch,
    chosen_epochs,
    fine_tuned_name,
    is_openais,
    recipe_of,
)

NUMBERS = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0}
ASKED = {
    "method_type": "dora",
    "lora_rank": 4,
    "lora_alpha": 8.0,
    "quantization": "int8",
    "learning_rate": 0.002,
    "schedule": "linear",
    "warmup": 0.2,
    "weight_decay": 0.1,
    "optimizer": "muon",
    "neftune": 5.0,
    "max_steps": 7,
    "max_length": 99,
    "too_long": "drop",
    "patience": 9,
    "token_budget": 999,
    "recompute": True,
    "guards": "warn",
    "kl_limit": 0.1,
    "system_prompt": "Be short.",
    "accept": ["too_little"],
    "loss": "ipo",
    "label_smoothing": 0.2,
    "answer_tokens": 9,
    "temperature": 0.5,
    "repeats": 2,
    "ratio_clip": 0.3,
    "ratio_clip_high": 0.4,
    "ratio_level": "sequence",
    "mask_truncated": True,
    "length_normalised": True,
    "rpo_alpha": 0.5,
}
GRADER = {
    "type": "string_check",
    "name": "g",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
METHODS = {
    "dpo": {"type": "dpo", "dpo": {}},
    "reinforcement": {"type": "reinforcement", "reinforcement": {"grader": GRADER}},
}
OF_METHOD = {
    "loss": "dpo",
    "label_smoothing": "dpo",
    "answer_tokens": "reinforcement",
    "temperature": "reinforcement",
    "repeats": "reinforcement",
    "ratio_clip": "reinforcement",
    "ratio_clip_high": "reinforcement",
    "ratio_level": "reinforcement",
    "mask_truncated": "reinforcement",
    "length_normalised": "dpo",
    "rpo_alpha": "dpo",
}


@given(st.integers(10, 100_000))
def test_automatic_numbers_keep_to_the_cookbooks_bounds(examples):
    epochs = chosen_epochs(examples)
    assert 1 <= epochs <= 25 and 4 <= chosen_batch(examples) <= 256
    assert examples * epochs >= 100 and (examples * epochs <= 25_000 or epochs == 1)


def test_automatic_means_three_passes_where_that_is_enough():
    assert chosen_epochs(500) == 3
    asked = {"n_epochs": "auto", "batch_size": 2, "learning_rate_multiplier": "auto"}
    assert chosen(asked, 500) == {"n_epochs": 3, "batch_size": 2, "learning_rate_multiplier": 1.0}


BESIDE = {"base", "report", "forgetting"}
"""Settings that are no part of the recipe: which model, and what is measured afterwards (`test_job_results`)."""


@pytest.mark.parametrize("setting", sorted(set(OwnSettings.model_fields) - BESIDE))
def test_every_own_setting_changes_the_recipe(setting):
    body = CreateJob(
        model="b", training_file="file-a", method=METHODS.get(OF_METHOD.get(setting)), **{setting: ASKED[setting]}
    )
    method = body.asked_method
    numbers = chosen(method[method["type"]]["hyperparameters"], 100)
    plain = recipe_of("b", "n", 0, numbers, {}, 100, method)
    assert recipe_of("b", "n", 0, numbers, body.own, 100, method) != plain


def test_methods_become_objectives_with_their_own_numbers():
    asked = CreateJob(
        model="b",
        training_file="file-a",
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "learning_rate_multiplier": 2}}},
    ).asked_method
    training = recipe_of("b", "", 0, chosen(asked["dpo"]["hyperparameters"], 100), {}, 100, asked).training
    assert (training.objective, training.beta, training.learning_rate_factor) == ("dpo", 0.3, 2)
    asked = CreateJob(
        model="b",
        training_file="file-a",
        method={
            "type": "reinforcement",
            "reinforcement": {"grader": GRADER, "hyperparameters": {"compute_multiplier": 0.5, "n_epochs": 2}},
        },
    ).asked_method
    numbers = chosen(asked["reinforcement"]["hyperparameters"], 100)
    assert "auto" not in numbers.values() and numbers["eval_interval"] == 10
    training = recipe_of("b", "", 0, numbers, {}, 100, asked).training
    assert (training.objective, training.samples, training.validate_every, training.grader) == ("grpo", 4, 10, GRADER)


@given(st.integers(10, 3000), st.integers(1, 64), st.integers(1, 50))
def test_validation_is_measured_at_the_end_of_every_pass(examples, batch, epochs):
    recipe = recipe_of("b", "n", 0, {**NUMBERS, "n_epochs": epochs, "batch_size": batch}, {}, examples)
    steps = -(-examples // batch)
    every = -(-steps * epochs // recipe.training.validations)
    assert steps % every == 0


def test_openais_models_stand_for_the_first_base():
    meant = {"tiny": "tiny", "gpt-4.1": "org/other", "org/other": "org/other"}.get

    def base(model, wish=None):
        return base_for(model, wish, meant, "tiny")

    assert base("gpt-4o-mini-2024-07-18") == base("tiny") == base("gpt-4o", "tiny") == "tiny"
    assert base("org/other") == base("gpt-4.1") == base("gpt-4o", "org/other") == "org/other"
    assert base("nobody") is base("gpt-4o", "/etc") is base("tiny", "nobody") is None
    assert base("gpt-5-turbo") is base("gpt-4o-mini-2") is base("o5") is None, "never a model of OpenAI's"


def test_names_are_spelled_as_openais():
    assert fine_tuned_name("gpt-4o-mini", "openai", None, "7p4lURel") == "ft:gpt-4o-mini:openai::7p4lURel"
    assert fine_tuned_name("org/model", "o", "mine", "x") == "ft:org/model:o:mine:x"
    assert fine_tuned_name("/home/me/models/tiny", "o", "s", "x") == "ft:tiny:o:s:x"


def test_every_model_that_the_sdk_names_is_known():
    """The list of names is that of the SDK, so that a new one is added with the next SDK."""
    from openai.types.shared.chat_model import ChatModel

    assert {name for name in get_args(ChatModel) if not is_openais(name)} == set()
    assert is_openais("gpt-4o-mini-2031-01-01") and is_openais("davinci-002")
