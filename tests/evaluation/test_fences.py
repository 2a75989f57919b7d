"""What a fence is, in one place, for labels, JSON, calls, SQL and code."""

from __future__ import annotations

import pytest

from postgrad.evaluation.answer_form import AnswerForm
from postgrad.evaluation.metrics.code_tests import extract_code
from postgrad.evaluation.metrics.json_object import parse_object
from postgrad.evaluation.metrics.support.call_text import read_calls
from postgrad.evaluation.metrics.support.fences import fenced_blocks, unfenced
from postgrad.evaluation.metrics.support.sql_text import extract_sql


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("no fence", []),
        ("```\nrefund\n```", [("", "refund")]),
        ("Sure:\n```Python title=x\nf()\n  ```\nand ``` json\n{}\n```", [("python", "f()"), ("json", "{}")]),
        ("```sql\nSELECT 1", [("sql", "SELECT 1")]),
        ("```\nrefund```", [("", "refund")]),
        ('```py\nmark = "```"\nprint(mark)\n```', [("py", 'mark = "```"\nprint(mark)')]),
        ("```\n```", [("", "")]),
        ("```c++\r\nx\r\n```", [("c++", "x\r")]),
    ],
)
def test_blocks(text: str, blocks: list[tuple[str, str]]) -> None:
    assert fenced_blocks(text) == blocks


@pytest.mark.parametrize("opening", ["```", "```json", "``` json ", "```json-ld"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_whole_block_is_taken_out_alike(opening: str, newline: str) -> None:
    text = f'{opening}{newline}{{"a": 1}}{newline}```'
    assert unfenced(text).strip() == '{"a": 1}' and parse_object(text) == {"a": 1}
    assert unfenced(f"Here: {text}") == f"Here: {text}" and parse_object(f"Here: {text}") is None
    assert unfenced(f'{opening}\n{{"a": 1}}') == f'{opening}\n{{"a": 1}}', "a block that was cut off is no whole one"


def test_readers_agree_on_what_a_fence_is() -> None:
    assert AnswerForm.of(["refund", "card"]).take("```text\nrefund\n```") == "refund"
    assert extract_sql("```python\nx\n```\n```SQL\nSELECT 1;\n```") == "SELECT 1"
    assert extract_code("```sql\nSELECT 1\n```\n```python\nx = 1\n```") == "x = 1"
    assert read_calls('```json\n{"name": "f", "arguments": {}}\n```')
