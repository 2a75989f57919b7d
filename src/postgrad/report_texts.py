"""A report that may leave the house: every figure, and none of the data's own words."""

from __future__ import annotations

import re

from postgrad.report import ArmPart, FindingPart, Report
from postgrad.results import ResultLine

LEFT_OUT = "(left out: this report holds no texts of the data)"
_QUOTED = re.compile(r"“[^”]*”|(?<!\w)'[^\n]*?'(?!\w)|\"[^\"\n]*\"")


def without_texts(report: Report) -> Report:
    """The report without samples, evidence, instruction, and tables whose rows are named by labels or words of the data;
    what sentences quote becomes “…”."""
    return report.model_copy(
        update={
            "system_prompt": LEFT_OUT if report.system_prompt else "",
            "samples": [],
            "data": report.data.model_copy(
                update={
                    "findings": [_finding(f) for f in report.data.findings],
                    "notes": [unquoted(note) for note in report.data.notes],
                    "explanation": unquoted(report.data.explanation),
                }
            ),
            "task": report.task.model_copy(update={"why": unquoted(report.task.why)}),
            "arms": [_arm(arm) for arm in report.arms],
            "edge_cases": [s.model_copy(update={"slice": unquoted(s.slice)}) for s in report.edge_cases],
        }
    )


def line_without_texts(line: ResultLine) -> ResultLine:
    """A line of `results.jsonl` with its hash and figures alone."""
    arms = {name: answer.model_copy(update={"answer": ""}) for name, answer in line.arms.items()}
    return line.model_copy(
        update={"prompt": [], "reference": "", "reference_calls": [], "tools": [], "group": None, "arms": arms}
    )


def unquoted(sentence: str) -> str:
    """The sentence with everything between quotation marks replaced."""
    return _QUOTED.sub("“…”", sentence)


def _finding(finding: FindingPart) -> FindingPart:
    return finding.model_copy(update={"sentence": unquoted(finding.sentence), "evidence": [], "details": {}})


def _arm(arm: ArmPart) -> ArmPart:
    return arm.model_copy(update={"note": unquoted(arm.note), "details": {}})
