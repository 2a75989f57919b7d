"""SQL by its text: where there is no database to ask, two queries are the same if their tokens or their trees are.

Stricter than right: a query that gives the same rows in other words counts as wrong, so `sql_execution` is the better
metric wherever it can be had.
"""

from __future__ import annotations

from postgrad.evaluation.metrics.support.metric import Metric, each, lacking
from postgrad.evaluation.metrics.support.sql_text import extract_sql, is_sql, same_query


def sql_match() -> Metric:
    """1 where the queries are alike but for spelling: case, space, comments, quotes of names, AS, <> for !=, the last
    semicolon, and what a parser reads as one, such as ASC or IFNULL for COALESCE."""

    def score(answer: str, reference: str) -> float:
        return float(same_query(extract_sql(answer), extract_sql(reference)))

    return Metric(
        "sql_match",
        each(score),
        title="queries with the same text",
        right_or_wrong=True,
        unfit=lambda cases: lacking(
            cases, "reference answers are SQL", lambda c: is_sql(extract_sql(c.reference)), 0.95
        ),
    )
