"""A run's report that can be questioned: its arms, their wrong answers, and any two of them compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.statistics.scores import compare
from postgrad.measures import Comparison
from postgrad.report import run_report
from postgrad.report.results import ResultLine, read_results
from postgrad.steps.reporting.compared_runs import read_report


@dataclass(frozen=True, slots=True)
class Example:
    """One test example with one arm's answer; `score` from 0 (wrong) to 1 (right) by the primary metric."""

    prompt: str
    reference: str
    answer: str
    score: float
    confidence: float | None
    file: str
    line: int


@dataclass(frozen=True, slots=True, repr=False)
class MeasuredArm:
    """One arm of a report: its figures in `part`, its answers in `examples`."""

    part: run_report.ArmPart
    examples: tuple[Example, ...]

    @property
    def score(self) -> float:
        """The mean of the primary metric."""
        return self.part.score

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the score."""
        return self.part.interval

    def wrong(self, below: float = 1.0) -> tuple[Example, ...]:
        """The examples with a score under `below`, worst first, and of equal ones the surest first."""
        found = [e for e in self.examples if e.score < below]
        return tuple(sorted(found, key=lambda e: (e.score, -(e.confidence or 0.0))))

    def __repr__(self) -> str:
        return f"{_line(self.part)}; {len(self.wrong())} of {len(self.examples)} answers not fully right"


class Report(run_report.Report):
    """Everything measured in one run, and the answers that it was measured on.

    The fields are those of `report.json`; the answers are read from `results.jsonl` beside it when they are asked for.
    """

    _folder: Path = PrivateAttr(default=Path())

    @classmethod
    def open(cls, folder: Path | str) -> Report:
        """The report of a folder that `run` or `evaluate` made.

        Raises:
            DataError: there is none, or it is not of this version.
        """
        return cls.of(read_report(Path(folder)), Path(folder))

    @classmethod
    def of(cls, report: run_report.Report, folder: Path) -> Report:
        """A report with its answers, which lie in `folder`."""
        fields: dict[str, Any] = {name: getattr(report, name) for name in run_report.Report.model_fields}
        made = cls.model_construct(**fields)
        made._folder = folder
        return made

    def arm(self, name: str) -> MeasuredArm:
        """One arm with its answers.

        Raises:
            UsageError: there is no such arm.
            DataError: the answers are not there any more.
        """
        part = self._part(name)
        return MeasuredArm(part, tuple(_example(line, name) for line in self._lines() if name in line.arms))

    def compare(self, arm: str, against: str) -> Comparison:
        """How much better one arm is than another on the examples that both answered, as the report reckons it.

        `p_adjusted` is the report's own where it compares these two, and else the p-value of this comparison alone.

        Raises:
            UsageError: there is no such arm, or it is twice the same.
            DataError: the answers are not there, or there are none in common.
        """
        for name in (arm, against):
            self._part(name)
        if arm == against:
            raise UsageError(f"{arm!r} cannot be compared with itself.", f"The arms: {', '.join(self._names())}.")
        lines = [line for line in self._lines() if arm in line.arms and against in line.arms]
        if not lines:
            raise DataError(f"{arm!r} and {against!r} answered no example in common.")
        groups = [line.group for line in lines]
        first, second = ([line.arms[name].score for line in lines] for name in (arm, against))
        found = compare(first, second, groups, arm=arm, against=against, seed=self.seed)
        known = [c.p_adjusted for c in self.comparisons if {c.arm, c.against} == {arm, against}]
        adjusted = next((p for p in known if p is not None), found.p_value)
        return replace(found, p_adjusted=adjusted)

    def _part(self, name: str) -> run_report.ArmPart:
        for part in self.arms:
            if part.name == name:
                return part
        raise UsageError(f"The report has no arm {name!r}.", f"Its arms: {', '.join(self._names())}.")

    def _names(self) -> list[str]:
        return [part.name for part in self.arms]

    def _lines(self) -> Iterator[ResultLine]:
        return read_results(self._folder)

    def __repr__(self) -> str:
        return "\n".join([f"{self.name}: {self.verdict.sentence}", *(f"  {_line(part)}" for part in self.arms)])

    __str__ = __repr__


def _line(part: run_report.ArmPart) -> str:
    low, high = part.interval
    return f"{part.name}: {100 * part.score:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}, n = {part.n})"


def _example(line: ResultLine, arm: str) -> Example:
    found = line.arms[arm]
    return Example(line.prompt_text, line.reference, found.answer, found.score, found.confidence, line.file, line.line)
