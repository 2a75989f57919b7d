"""`postgrad estimate --money`: prices in, months out, before any training and without data."""

import json

import pytest

from postgrad.cli import main

GIVEN = ("--money", "--monthly-queries", "10000", "--price-now", "0.03")
ASKED = (*GIVEN, "--one-off", "2000-5000", "--monthly-costs", "50-100")


def test_one_command_gives_eight_to_twenty_five_months(capsys):
    assert main(["estimate", *ASKED]) == 0
    said = capsys.readouterr().out
    assert "300.00 USD a month now" in said and "Earned back after 8 to 25 months." in said
    assert [f"{m} months" in said for m in ("8.0", "10.0", "20.0", "25.0")] == [True] * 4


def test_the_same_as_json(capsys):
    assert main(["estimate", *ASKED, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["money"]
    assert [round(row["months"], 6) for row in found["forecasts"]] == [8.0, 10.0, 20.0, 25.0]
    assert found["months"] == [8.0, 25.0] and found["cost_now_monthly"] == 300.0
    assert main(["estimate", *GIVEN, "--one-off", "$2,000-5,000", "--monthly-costs", "50 - 300", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["money"]
    assert found["months"] == [8.0, None] and found["forecasts"][-1]["one_off"] == 5000.0


def test_a_price_of_the_tuned_answers_counts(capsys):
    assert main(["estimate", *GIVEN, "--one-off", "2000", "--price-tuned", "0.01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["money"]["months"] == pytest.approx([10.0, 10.0])


def test_the_recipe_has_the_figures_too(capsys, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "decision: {monthly_queries: 10000, one_off: 1600, data_hours: 8, hourly_rate: 50, hosting_monthly: 30,"
        " maintenance_monthly: 15, monitoring_monthly: 5}"
    )
    assert main(["estimate", "--money", "--price-now", "0.03", "--recipe", str(recipe), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["money"]["forecasts"]
    assert (row["one_off"], row["monthly_costs"], row["months"]) == (2000.0, 50.0, 8.0)


def test_with_data_the_trainings_count(capsys, tmp_path, tiny_folder):
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\n" + "".join(f"How much is {i}?,It is {i}.\n" for i in range(12)))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("decision: {iterations: 4}")
    fixed = [str(path), "--base", str(tiny_folder), "--recipe", str(recipe), "--price-per-hour", "100000"]
    assert main(["estimate", *fixed, *GIVEN, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["usd"] > 0 and found["money"]["forecasts"][0]["one_off"] == pytest.approx(4 * found["usd"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "There is nothing to estimate"),
        (("--price-now", "3", "data.csv"), "--price-now: read only with --money"),
        (
            ("--money",),
            "requires the traffic (--monthly-queries), what an answer costs now (--price-now), what is spent",
        ),
        ((*GIVEN, "--one-off", "5000-2000"), "begins with the larger one"),
        ((*GIVEN, "--one-off", "a lot"), "'a lot' is not a number, or two as LOW-HIGH"),
        ((*GIVEN, "--one-off", "1-2-3"), "is not a number, or two as LOW-HIGH"),
        ((*GIVEN, "--one-off", "1", "--price-tuned", "-1"), "--price-tuned -1 is no price"),
        (("--money", "--monthly-queries", "-1", "--price-now", "1", "--one-off", "1"), "decision.monthly_queries = -1"),
        (("--money", "--monthly-queries", "0", "--price-now", "1", "--one-off", "1"), "requires the traffic"),
    ],
)
def test_what_is_missing_or_wrong_is_one_message(capsys, arguments, words):
    assert main(["estimate", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said.replace("\n", " ") and "Traceback" not in said
