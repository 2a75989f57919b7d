"""Other languages: is a question in German, French, Spanish or Italian still answered in that language?"""

from __future__ import annotations

from postgrad.evaluation.battery.open_questions import AnswerRule, Question, Questions, prompts_of
from postgrad.evaluation.metrics.format_rules import language_of

TOKENS = 40


def languages() -> Questions:
    """Six everyday questions in each of four languages; an answer of a few letters shows no language and is wrong."""
    prompts = prompts_of("languages")
    codes = [code for code, value in prompts.items() if isinstance(value, list)]
    return Questions(
        "languages", tuple(Question(prompt, _in(code)) for code in codes for prompt in prompts[code]), TOKENS
    )


def _in(code: str) -> AnswerRule:
    return lambda answer: language_of(answer) == code
