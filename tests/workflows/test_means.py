"""What a job lends its metrics: a local model as judge, and the measured model's likelihoods."""

from __future__ import annotations

import pytest

from postgrad.errors import DataError, PostgradError
from postgrad.evaluation.metrics.support.metric import paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.recipe import make_recipe
from postgrad.records import Message, pair
from postgrad.steps.arms.metric_resources import MeasuredModel, local_judge, mean_logprobs, metric_resources
from postgrad.steps.context import RunContext


def test_a_local_judge_answers_every_chat_and_equal_ones_alike(tiny_folder) -> None:
    ask = local_judge(str(tiny_folder))
    chats = [[{"role": "user", "content": f"Is {i} even?"}] for i in (1, 2, 1)]
    said = ask(chats)
    assert len(said) == 3 and said[0] == said[2] and all(isinstance(text, str) for text in said)
    assert ask(chats[1:2]) == [said[1]]
    with pytest.raises(DataError, match="has room for 512"):
        ask([[{"role": "user", "content": "word " * 600}]])


def test_the_recipe_decides_what_metrics_may_use(tiny_folder) -> None:
    recipe = make_recipe({"base": str(tiny_folder), "evaluation": {"judge": str(tiny_folder)}})
    means = metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, MeasuredModel())
    assert means.ask is not None and means.judge == str(tiny_folder) and not means.own_code
    with pytest.raises(PostgradError, match=r"no readable judgement|uninformative"):  # random weights judge nothing
        records = [pair(f"q{i}", f"a{i}") for i in range(8)]
        metric_named("judge(rubric='Right?')", means).measure(
            paired(["a1"] * 8, [r.answer_text for r in records], records)
        )


def test_perplexity_is_the_measured_models_own(tiny, tiny_folder) -> None:
    recipe, measured = make_recipe({"base": str(tiny_folder)}), MeasuredModel()
    means = metric_resources(RunContext.of(recipe, lambda: False), recipe.evaluation, measured)
    metric = metric_named("perplexity", means)
    measured.model = tiny  # a metric is chosen before the model is loaded
    records = [pair("where is my sofa", "FH-12345"), pair("yes or no", "maybe")]
    found = metric.measure(paired(["", ""], [r.answer_text for r in records], records))
    expected = mean_logprobs(tiny, [((Message("user", r.prompt_text),), r.answer_text) for r in records])
    import math

    assert found.scores == pytest.approx([math.exp(v) for v in expected])
