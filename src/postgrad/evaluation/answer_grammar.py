"""Answers held to the form of right ones while they are generated: one of the labels, or JSON after their schema.

It is what somebody does who puts an untrained model to work on such a task, with any server that can hold answers to a
form (`guided_choice`, `response_format`). Without it a score of zero says that the model rambles, not what it knows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from postgrad.evaluation.answer_form import AnswerForm
from postgrad.models.generation.decoding import Decoding
from postgrad.models.generation.grammar import AfterThought, choice_form, json_form, vocabulary_of
from postgrad.models.generation.logits import Chooser, Grammar, Steering
from postgrad.models.language_model import LanguageModel

MOST_LABELS = 1000
"""More texts are no labels that one would list."""


@dataclass(frozen=True)
class AnswerGrammar:
    """A compiled form.

    Attributes:
        key: Tells its answers apart from those of other forms and of none.
    """

    grammar: Grammar
    key: str

    def chooser(self, decoding: Decoding) -> Chooser:
        """Takes the tokens of one answer."""
        return Chooser(decoding, Steering(grammar=self.grammar), decoding.seed)


def can_be_held(form: AnswerForm) -> bool:
    """Whether answers of this form can be held to it."""
    return bool(form.schema) or 1 < len(form.labels) <= MOST_LABELS


def answer_grammar(model: LanguageModel, form: AnswerForm) -> AnswerGrammar:
    """The grammar of a form, for one model.

    Raises:
        ValueError: there is none for this form.
        DataError: the form cannot be compiled.
    """
    if not can_be_held(form):
        raise ValueError("answers of this form cannot be held to it")
    vocabulary = vocabulary_of(model.base, model.renderer)
    if form.labels:
        grammar = choice_form(vocabulary, form.labels)
    else:
        grammar = json_form(vocabulary, json.loads(form.schema), strict=False)
    key = hashlib.sha256(grammar.grammar.encode()).hexdigest()[:16]
    return AnswerGrammar(AfterThought.of(grammar, model.renderer), key)
