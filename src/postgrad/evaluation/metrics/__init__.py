"""The metrics by name. One more metric is one more file, one line here and one test."""

from __future__ import annotations

from collections.abc import Callable

from postgrad.evaluation.metrics.bleu import bleu
from postgrad.evaluation.metrics.chrf import chrf
from postgrad.evaluation.metrics.code_tests import code_tests
from postgrad.evaluation.metrics.embedding import embedding
from postgrad.evaluation.metrics.exact_match import containment, exact_match
from postgrad.evaluation.metrics.fact_match import fact_match
from postgrad.evaluation.metrics.format_rules import format_rules
from postgrad.evaluation.metrics.json_object import json_fields, json_match, json_valid
from postgrad.evaluation.metrics.json_schema import json_schema
from postgrad.evaluation.metrics.judge import judge
from postgrad.evaluation.metrics.label import label
from postgrad.evaluation.metrics.numeric import numeric
from postgrad.evaluation.metrics.pairwise import pairwise
from postgrad.evaluation.metrics.perplexity import bits_saved, perplexity
from postgrad.evaluation.metrics.preferred import rated_accuracy, reward_accuracy
from postgrad.evaluation.metrics.reward import reward
from postgrad.evaluation.metrics.rouge import rouge_1, rouge_2, rouge_l
from postgrad.evaluation.metrics.sql_execution import sql_execution
from postgrad.evaluation.metrics.sql_match import sql_match
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult
from postgrad.evaluation.metrics.token_f1 import token_f1
from postgrad.evaluation.metrics.tool_calls import tool_calls

METRICS: dict[str, Callable[..., Metric]] = {
    "exact_match": exact_match,
    "label": label,
    "numeric": numeric,
    "json_match": json_match,
    "json_fields": json_fields,
    "json_valid": json_valid,
    "json_schema": json_schema,
    "sql_execution": sql_execution,
    "sql_match": sql_match,
    "code_tests": code_tests,
    "tool_calls": tool_calls,
    "fact_match": fact_match,
    "containment": containment,
    "token_f1": token_f1,
    "chrf": chrf,
    "bleu": bleu,
    "rouge_1": rouge_1,
    "rouge_2": rouge_2,
    "rouge_l": rouge_l,
    "embedding": embedding,
    "format_rules": format_rules,
}
"""Made from their options alone."""

ASKING: dict[str, Callable[..., Metric]] = {
    "judge": judge,
    "pairwise": pairwise,
    "perplexity": perplexity,
    "bits_saved": bits_saved,
    "reward_accuracy": reward_accuracy,
    "rated_accuracy": rated_accuracy,
    "reward": reward,
}
"""Made from `MetricResources` and their options: they ask a model."""

__all__ = ["ASKING", "METRICS", "Case", "Metric", "MetricResources", "MetricResult"]
