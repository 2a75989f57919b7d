"""The page on metrics keeps pace with the metrics: a section for each, every option and every kind of grader named."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from postgrad.evaluation.graders.grader_kinds import SIMILARITIES
from postgrad.evaluation.metrics import ASKING, METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", [*METRICS, *ASKING])
def test_each_metric_has_a_section_with_all_its_options(name: str) -> None:
    body = next((b for title, b in SECTIONS.items() if name in title.split(", ")), None)
    assert body is not None, f"no section on {name}"
    parameters = inspect.signature({**METRICS, **ASKING}[name]).parameters.values()
    for option in (p.name for p in parameters if p.kind is p.KEYWORD_ONLY):
        assert re.search(rf"\b{option}\b", body), f"{name}: the option {option} is not explained"


def test_every_likeness_of_graders_is_named() -> None:
    body = SECTIONS["Graders in OpenAI's form"]
    assert all(f"`{name}`" in body or name.startswith("rouge_") for name in SIMILARITIES)
