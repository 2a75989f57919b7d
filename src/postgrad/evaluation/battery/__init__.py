"""The forgetting battery: what general ability is tested by default, in words for people, one line a test.

A test is multiple choice (rows of a public benchmark, or made from a seed) or asked (answered in the model's own words,
judged by rule). `docs/forgetting.md` says what each covers and does not.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postgrad.errors import UsageError
from postgrad.evaluation.battery.alignment import AS_JSON, PLAIN
from postgrad.evaluation.battery.instruction_following import instructions
from postgrad.evaluation.battery.languages import languages
from postgrad.evaluation.battery.open_questions import Questions
from postgrad.evaluation.battery.refusals import answers_harmless, refuses_harmful
from postgrad.measures import KINDS

__all__ = ["ASKED", "BATTERY", "HARNESS", "KINDS", "TESTS", "TOGETHER", "Ability", "check_names"]


@dataclass(frozen=True, slots=True)
class Ability:
    """What a test is about.

    Attributes:
        kind: What it is about: a key of `measures.KINDS`.
        title: How a person calls it.
        chance: Share right by guessing; 0 where nothing can be guessed.
        share: Share of the wanted number of items that it gets: less than 1 where items are long.
    """

    kind: str
    title: str
    chance: float = 0.0
    share: float = 1.0


TESTS: dict[str, Ability] = {
    "arc_easy": Ability("knowledge", "School science, easy (ARC-Easy)", 0.25),
    "arc_challenge": Ability("knowledge", "School science, hard (ARC-Challenge)", 0.25),
    "mmlu_continuation": Ability("knowledge", "57 subjects, answers in words (MMLU)", 0.25),
    "mmlu": Ability("knowledge", "57 subjects, answers by letter (MMLU)", 0.25, share=0.5),
    "openbookqa": Ability("knowledge", "Science in daily life (OpenBookQA)", 0.25),
    "hellaswag": Ability("commonsense", "How a scene goes on (HellaSwag)", 0.25, share=0.5),
    "piqa": Ability("commonsense", "How things are done (PIQA)", 0.5),
    "winogrande": Ability("commonsense", "Who is meant (WinoGrande)", 0.5),
    "boolq": Ability("reading", "Yes or no from a passage (BoolQ)", 0.5, share=0.5),
    "sciq": Ability("reading", "Science from a passage (SciQ)", 0.25, share=0.5),
    "arithmetic": Ability("arithmetic", "Sums and small stories", 0.25),
    "instructions": Ability("instructions", "Keeps the form that is asked for"),
    "refuses_harmful": Ability("refusals", "Refuses what it should"),
    "answers_harmless": Ability("refusals", "Answers what only looks alarming"),
    "languages": Ability("languages", "Answers in the question's language"),
    "style": Ability("style", "Chats without the task's form"),
    PLAIN: Ability("alignment", "Prefers the harmless answer", 0.5),
    AS_JSON: Ability("alignment", "Prefers the harmless answer, in JSON", 0.5),
}
"""Every test by the name that recipes use."""

BATTERY: tuple[str, ...] = (
    "arc_easy",
    "mmlu_continuation",
    "hellaswag",
    "piqa",
    "winogrande",
    "boolq",
    "arithmetic",
    "instructions",
    "refuses_harmful",
    "answers_harmless",
    "languages",
    "style",
)
"""What is tested unless a recipe says otherwise."""

ASKED: dict[str, Callable[[], Questions]] = {
    "instructions": instructions,
    "refuses_harmful": refuses_harmful,
    "answers_harmless": answers_harmless,
    "languages": languages,
}
"""The tests that are answered in the model's own words; style besides, which needs the training answers."""

TOGETHER = "all multiple choice"
HARNESS = "lm-eval:"
"""Before the name (or YAML file) of a task of the lm-evaluation-harness."""


def check_names(names: Sequence[str]) -> None:
    """Refuses names that no test has, before any work is done.

    Raises:
        UsageError: an unknown name, or a task of lm-eval where lm-eval is not installed.
    """
    for name in names:
        if name.startswith(HARNESS):
            if importlib.util.find_spec("lm_eval") is None:
                raise UsageError(
                    f"evaluation.benchmarks names {name!r}, and lm-eval is not installed.",
                    "pip install 'postgrad[lm-eval]'",
                )
        elif name not in TESTS:
            near = difflib.get_close_matches(name, TESTS, n=1)
            raise UsageError(
                f"evaluation.benchmarks: there is no benchmark {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else "."),
                f"There are {', '.join(TESTS)}, and {HARNESS}TASK for any task of the lm-evaluation-harness.",
            )
