"""A report that may leave the house: every figure, and none of the data's own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from postgrad.report.advice import KindsPart
from postgrad.report.arm_parts import ArmPart
from postgrad.report.must_pass import MustPassPart
from postgrad.report.results import ResultLine
from postgrad.report.run_report import FindingPart, ForgettingPart, Report, VerdictPart

LEFT_OUT = "(left out: this report holds no texts of the data)"
_QUOTED = re.compile(r"“[^”]*”|(?<!\w)'[^\n]*?'(?!\w)|\"[^\"\n]*\"")
_FIGURES = frozenset({"retrieval"})
"""Tables of an arm whose rows are not named by the data."""


def without_texts(report: Report) -> Report:
    """The report without samples, evidence, instruction, and tables whose rows are named by labels or words of the
    data; what sentences quote becomes “…”."""
    data, constant = report.data, report.constant
    told = {
        "findings": [_finding(f) for f in data.findings],
        "notes": [unquoted(note) for note in data.notes],
        "explanation": unquoted(data.explanation),
    }
    quiet = constant and constant.model_copy(update={"answer": LEFT_OUT, "sentence": unquoted(constant.sentence)})
    return report.model_copy(
        update={
            "system_prompt": LEFT_OUT if report.system_prompt else "",
            "samples": [],
            "data": data.model_copy(update=told),
            "task": report.task.model_copy(
                update={"why": unquoted(report.task.why), "sentence": LEFT_OUT if report.task.sentence else ""}
            ),
            "arms": [_arm(arm) for arm in report.arms],
            "edge_cases": [s.model_copy(update={"slice": unquoted(s.slice)}) for s in report.edge_cases],
            "constant": quiet,
            "kinds": report.kinds and _kinds(report.kinds),
            "forgetting": report.forgetting and _forgetting(report.forgetting),
            "must_pass": report.must_pass and _must_pass(report.must_pass),
            "voice": report.voice and report.voice.model_copy(update={"examples": []}),
            "automation": report.automation
            and report.automation.model_copy(update={"fields": [], "fields_sentence": ""}),
            "verdict": _verdict(report.verdict),
        }
    )


def lines_without_texts(lines: Iterable[ResultLine]) -> Iterator[ResultLine]:
    """The lines of `results.jsonl` with hashes and figures alone; groups are numbered, so that it stays known which
    examples belong together."""
    numbers: dict[str, int] = {}
    for line in lines:
        group = None if line.group is None else f"group {numbers.setdefault(line.group, len(numbers) + 1)}"
        yield _without_texts(line, group)


def _without_texts(line: ResultLine, group: str | None) -> ResultLine:
    arms = {name: answer.model_copy(update={"answer": ""}) for name, answer in line.arms.items()}
    emptied = {
        "file": Path(line.file).name,
        "prompt": [],
        "reference": "",
        "reference_calls": [],
        "tools": [],
        "group": group,
        "arms": arms,
    }
    return line.model_copy(update=emptied)


def unquoted(sentence: str) -> str:
    """The sentence with everything between quotation marks replaced."""
    return _QUOTED.sub("“…”", sentence)


def _finding(finding: FindingPart) -> FindingPart:
    places = [(Path(file).name, line) for file, line in finding.examples]
    return finding.model_copy(
        update={"sentence": unquoted(finding.sentence), "examples": places, "evidence": [], "details": {}}
    )


def _arm(arm: ArmPart) -> ArmPart:
    details = {name: table for name, table in arm.details.items() if name in _FIGURES}
    return arm.model_copy(update={"note": unquoted(arm.note), "details": details})


def _kinds(kinds: KindsPart) -> KindsPart:
    numbered = [kind.model_copy(update={"words": f"kind {n}"}) for n, kind in enumerate(kinds.kinds, 1)]
    return kinds.model_copy(update={"kinds": numbered, "sentence": unquoted(kinds.sentence)})


def _must_pass(cases: MustPassPart) -> MustPassPart:
    """Which cases failed, by where they stand, and nothing of what they say."""
    failed = [f.model_copy(update={"prompt": "", "reference": "", "answer": ""}) for f in cases.failed]
    return cases.model_copy(update={"failed": failed})


def _forgetting(forgetting: ForgettingPart) -> ForgettingPart:
    """A tuned model's answers to general questions may repeat what it was trained on."""
    benchmarks = [b.model_copy(update={"changed": []}) for b in forgetting.benchmarks]
    return forgetting.model_copy(update={"benchmarks": benchmarks})


def _verdict(verdict: VerdictPart) -> VerdictPart:
    steps = [
        s.model_copy(update={"step": unquoted(s.step), "gain": unquoted(s.gain), "why": unquoted(s.why)})
        for s in verdict.next_steps
    ]
    reasons = [unquoted(reason) for reason in verdict.reasons]
    told = {"sentence": unquoted(verdict.sentence), "reasons": reasons, "next_steps": steps}
    if verdict.brief is not None:
        lines = {name: unquoted(text) for name, text in verdict.brief.model_dump().items()}
        told["brief"] = verdict.brief.model_copy(update=lines)
    return verdict.model_copy(update=told)
