"""Recipes, money, memory: plain values in, one clear error or one clear figure out."""

import pytest

from postgrad.costs import cost_of, machine_price
from postgrad.errors import UsageError
from postgrad.recipe import Recipe, load_recipe, make_recipe, merged
from postgrad.training.memory import Need, peak_bytes, sizes, training_flops

CONFIG = {
    "num_hidden_layers": 30,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "vocab_size": 49152,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
}


def test_all_faults_of_a_recipe_are_named_at_once():
    with pytest.raises(UsageError) as caught:
        make_recipe({"training": {"rnak": 4, "epochs": -1}, "evaluation": {"arms": ["base", "magic"]}, "sed": 1})
    text = str(caught.value)
    for part in ("did you mean 'rank'", "training.epochs = -1", "magic", "did you mean 'seed'"):
        assert part in text


def test_toml_and_yaml_say_the_same(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 3\ntraining:\n  rank: 8\n")
    (tmp_path / "a.toml").write_text("seed = 3\n[training]\nrank = 8\n")
    assert (
        load_recipe(tmp_path / "a.yaml")
        == load_recipe(tmp_path / "a.toml")
        == merged(Recipe(), {"seed": 3, "training.rank": 8})
    )
    for name, content in {"b.yaml": "a: [", "c.toml": "a =", "d.yaml": "- 1"}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(UsageError, match=name):
            load_recipe(tmp_path / name)


def test_an_option_that_was_not_given_changes_nothing():
    recipe = merged(Recipe(), {"training.rank": 8})
    assert merged(recipe, {"training.rank": None, "name": None}) == recipe


def test_money():
    price = machine_price("cpu", 3.6)
    assert cost_of(1000, price) == pytest.approx(1.0)
    assert "2026" in machine_price("cuda").assumption


def test_sizes_are_those_of_the_embedded_model():
    s = sizes(CONFIG, 16)
    norms = 576 * (2 * 30 + 1)
    assert s.body + s.head + norms == 134_515_008
    assert s.adapter == 30 * 16 * (2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536))
    products = (4.0 * s.body + 6.0 * s.adapter) * 1000 + 4.0 * s.head * 300
    attention = 30 * 576 * 7.0 * (600**2 + 400**2)
    assert training_flops(CONFIG, [600, 400], 300) == products + attention
    assert training_flops(CONFIG, [600, 400], 300, "full") == 6.0 * s.body * 1000 + 4.0 * s.head * 300 + attention


def test_memory_grows_with_the_microbatch_and_the_precision():
    small = peak_bytes(Need(CONFIG, tokens=512))
    assert small < peak_bytes(Need(CONFIG, tokens=2048))
    assert peak_bytes(Need(CONFIG, tokens=512, dtype="bfloat16")) < small
    assert peak_bytes(Need(CONFIG, tokens=512, method="qlora")) < small
    assert peak_bytes(Need(CONFIG, tokens=2048, recompute=True)) < peak_bytes(Need(CONFIG, tokens=2048))
    assert peak_bytes(Need(CONFIG, tokens=512, method="full")) > 1.5 * small
