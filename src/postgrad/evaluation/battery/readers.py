"""Multiple-choice items from the rows of public benchmarks: prompts, choices and normalisation exactly as the task of
the same name in the lm-evaluation-harness (0.4.13) has them, so that single items are decided alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from postgrad.json_types import JsonObject


@dataclass(frozen=True, slots=True)
class Item:
    """A multiple-choice item: the continuations include their leading space.

    Attributes:
        context: What stands before every choice.
        choices: The continuations.
        answer: Index of the right one.
        contexts: One context a choice, where they differ; `context` is empty then.
    """

    context: str
    choices: tuple[str, ...]
    answer: int
    contexts: tuple[str, ...] = ()

    def requests(self) -> list[tuple[str, tuple[str, ...]]]:
        """(context, continuations) as they are scored."""
        if self.contexts:
            return [(context, (choice,)) for context, choice in zip(self.contexts, self.choices, strict=True)]
        return [(self.context, self.choices)]

    @property
    def answered(self) -> str:
        """The item with its right answer."""
        return (self.contexts[self.answer] if self.contexts else self.context) + self.choices[self.answer]

    @property
    def length(self) -> int:
        """Characters to compute."""
        return len(self.context) + sum(map(len, self.contexts)) + sum(map(len, self.choices))


@dataclass(frozen=True, slots=True)
class BenchmarkReader:
    """How a benchmark's rows become items.

    Attributes:
        read: From a row to its item.
        by_length: Whether log-likelihoods are divided by the choices' characters (`acc_norm`) or not (`acc`).
    """

    read: Callable[[JsonObject], Item]
    by_length: bool = True

    def __call__(self, row: JsonObject) -> Item:
        return self.read(row)


def _arc(row: JsonObject) -> Item:
    return Item(f"Question: {row['question']}\nAnswer:", *_lettered(row))


def _openbookqa(row: JsonObject) -> Item:
    return Item(row["question_stem"], *_lettered(row))


def _lettered(row: JsonObject) -> tuple[tuple[str, ...], int]:
    choices = row["choices"]
    return tuple(f" {t}" for t in choices["text"]), list(choices["label"]).index(row["answerKey"].lstrip())


def _piqa(row: JsonObject) -> Item:
    return Item(f"Question: {row['goal']}\nAnswer:", (f" {row['sol1']}", f" {row['sol2']}"), int(row["label"]))


def _hellaswag(row: JsonObject) -> Item:
    context = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return Item(_tidy(context), tuple(f" {_tidy(e)}" for e in row["endings"]), int(row["label"]))


def _tidy(text: str) -> str:
    """HellaSwag's WikiHow marks taken out, in the harness's order of steps."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def _winogrande(row: JsonObject) -> Item:
    """The same ending after each of the two names: it is the context that differs."""
    before, _, after = row["sentence"].partition("_")
    ending = f" {after.strip()}"
    return Item("", (ending, ending), int(row["answer"]) - 1, (before + row["option1"], before + row["option2"]))


def _boolq(row: JsonObject) -> Item:
    right = row["answer"] if "answer" in row else row["label"]
    return Item(f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:", (" no", " yes"), int(right))


def _sciq(row: JsonObject) -> Item:
    names = ("distractor1", "distractor2", "distractor3", "correct_answer")
    context = f"{row['support'].lstrip()}\nQuestion: {row['question']}\nAnswer:"
    return Item(context, tuple(f" {row[name]}" for name in names), 3)


def _mmlu(row: JsonObject) -> Item:
    """Letters to choose from."""
    subject = row["subject"].replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about {subject}.\n\n"
    choices = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", row["choices"], strict=True))
    context = f"{head}{row['question'].strip()}\n{choices}\nAnswer:"
    return Item(context, tuple(f" {letter}" for letter in "ABCD"), int(row["answer"]))


def _mmlu_continuation(row: JsonObject) -> Item:
    """The answers' own words: what small models can do, to whom letters say nothing."""
    head = f"The following are questions (with answers) about {row['subject'].replace('_', ' ')}.\n\n"
    context = f"{head}Question: {row['question'].strip()}\nAnswer:"
    return Item(context, tuple(f" {text}" for text in row["choices"]), int(row["answer"]))


READERS: dict[str, BenchmarkReader] = {
    "arc_easy": BenchmarkReader(_arc),
    "arc_challenge": BenchmarkReader(_arc),
    "mmlu": BenchmarkReader(_mmlu, by_length=False),
    "mmlu_continuation": BenchmarkReader(_mmlu_continuation),
    "openbookqa": BenchmarkReader(_openbookqa),
    "hellaswag": BenchmarkReader(_hellaswag),
    "piqa": BenchmarkReader(_piqa),
    "winogrande": BenchmarkReader(_winogrande, by_length=False),
    "boolq": BenchmarkReader(_boolq, by_length=False),
    "sciq": BenchmarkReader(_sciq),
}
ROWS_OF = {"mmlu_continuation": "mmlu"}
"""Benchmarks that read another's file."""
