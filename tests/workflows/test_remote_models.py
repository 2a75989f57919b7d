"""Remote models without a job around them: settings, prices, the purse, and judges that are found out. Loads no
model."""

from __future__ import annotations

import json

import pytest

from postgrad.errors import DataError, ModelError, UsageError
from postgrad.evaluation.metrics.support.metric import paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.models.remote.prices import known_price
from postgrad.recipe import Recipe, make_recipe, merged
from postgrad.records import pair
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.arms.remote_models import remote_ask
from postgrad.steps.context import RunContext
from postgrad.workflows.run import run
from tests.workflows.remote_server import Server


@pytest.fixture
def server():
    running = Server(lambda messages: "?")
    yield running
    running.stop()


def recipe_of(**evaluation) -> Recipe:
    chosen = {"arms": ["prompted", "remote"], "general": False, **evaluation}
    return merged(Recipe(), {f"evaluation.{k}": v for k, v in chosen.items()})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"remote": ["big"]}, "is no remote model"),
        ({"remote": ["http://127.0.0.1:9/v1#a"], "remote_key_env": "NOT_SET_4711"}, "NOT_SET_4711 is not set"),
        ({"remote": ["http://127.0.0.1:9/v1#a"], "remote_budget_usd": 1.0}, "no price of .* is known"),
        ({"remote": ["http://127.0.0.1:9/v1#a"], "arms": ["base"]}, "not the arm remote"),
        ({"remote": ["http://h/v1#a", "http://h/v1#a"]}, "named twice"),
        ({"remote": ["http://h/v1#a"], "remote_price": ["1,2", "3,4"]}, "2 prices are given for 1"),
        ({"arms": ["remote"]}, "needs a model"),
        ({"arms": ["base"], "proposer": "x"}, "not the arm optimised_prompt"),
    ],
)
def test_wrong_settings_are_told_before_any_work(settings, words, tmp_path):
    work = run(recipe_of(**settings), [tmp_path / "rows.jsonl"], tmp_path / "out")
    with pytest.raises(UsageError, match=words):
        next(work)


def test_one_purse_for_all_uses_of_a_model(server):
    remote = f"{server.url}#big"
    recipe = recipe_of(remote=[remote], remote_price="10,10", remote_budget_usd=0.01)
    ctx = RunContext.of(recipe, lambda: False)
    server.tokens = (40, 5)
    ask, again = (remote_ask(ctx, recipe.evaluation, remote, 64) for _ in range(2))
    ask([[{"role": "user", "content": f"first {i}"}] for i in range(9)])
    again([[{"role": "user", "content": f"second {i}"}] for i in range(5)])
    assert sum(ctx.ledger.purse.spent.values()) == pytest.approx(14 * 45 * 10 / 1e6)
    with pytest.raises(ModelError, match="budget"):
        ask([[{"role": "user", "content": f"third {i}"}] for i in range(9)])
    assert sum(ctx.ledger.purse.spent.values()) <= 0.01


def test_prices_are_pairs():
    with pytest.raises(UsageError, match="remote_price"):
        make_recipe({"evaluation": {"remote_price": "-1,2"}})
    assert make_recipe({"evaluation": {"remote_price": [0.5, 2]}}).evaluation.remote_price == [(0.5, 2.0)]
    assert merged(Recipe(), {"evaluation.remote": "http://h#m"}).evaluation.remote == ["http://h#m"]
    with pytest.raises(UsageError, match="remote_price"):
        make_recipe({"evaluation": {"remote_price": "cheap"}})
    found = known_price("https://api.openai.com/v1", "gpt-4o-mini")
    assert found is not None and found[0].completion > found[0].prompt > 0 and "genai-prices" in found[1]
    assert known_price("http://127.0.0.1:8000/v1", "gpt-4o-mini") is None, (
        "nobody's list price holds for one's own server"
    )


RECORDS = [pair(f"What is {i} plus {i}?", f"It is {2 * i}.") for i in range(20)]
REFERENCES = [r.answer_text for r in RECORDS]


def resources_of(recipe: Recipe):
    return metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())


def judged(server, metric: str, answers):
    return metric_named(metric, resources_of(recipe_of(judge=f"{server.url}#judge"))).measure(
        paired(answers, REFERENCES, RECORDS)
    )


@pytest.mark.parametrize("said", ["[[A]]", "[[B]]", "[[TIE]]"])
def test_a_remote_judge_that_always_says_the_same_never_makes_a_winner(server, said):
    server.say = lambda messages: f"I have looked closely.\n{said}"
    with pytest.raises(DataError, match=r"#judge is uninformative"):
        judged(server, "pairwise", ["other"] * 20)
    few = len(server.asked)
    assert few and len({json.dumps(a["messages"]) for a in server.asked}) == few, "equal questions are asked once"


def test_a_remote_judge_that_always_says_a_gives_ties_where_too_few_pairs_convict_it(server):
    server.say = lambda messages: "[[A]]"
    resources = resources_of(recipe_of(judge=f"{server.url}#judge"))
    found = metric_named("pairwise", resources).measure(paired(["x", "y"], ["one", "one"]))
    assert found.scores == (0.5, 0.5) and found.figures["decided_by_place"] == 1.0


def test_a_remote_judge_that_reads_is_believed_and_paid_once(server):
    def points(messages) -> str:
        text = messages[-1]["content"]
        right = text.split("<reference>\n")[1].split("\n</reference>")[0]
        return f"Points: {5 if f'<answer>{chr(10)}{right}{chr(10)}</answer>' in text else 1}"

    server.say = points
    found = judged(server, "judge", ["wrong", *REFERENCES[1:]])
    asked = len(server.asked)
    assert found.scores == (0.0, *[1.0] * 19) and found.figures["judge_control_gap"] == 1.0
    assert judged(server, "judge", ["wrong", *REFERENCES[1:]]) == found and len(server.asked) == asked


def test_a_judge_whose_budget_ends_says_so(server):
    recipe = recipe_of(judge=f"{server.url}#judge", remote_price="10,10", remote_budget_usd=0.02)
    metric = metric_named("judge", resources_of(recipe))
    with pytest.raises(ModelError, match=r"budget of 0\.02 USD is spent; \d+ of 30 requests"):
        metric.measure(paired(REFERENCES, REFERENCES, RECORDS))
