"""Forms that answers are held to while they are generated: a JSON schema, any JSON object, some texts, calls of tools.

The library `llguidance` says which tokens may come next; this file feeds it the model's vocabulary and wraps its masks.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from postgrad.errors import DataError
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.models.base_models import BaseModel
from postgrad.models.generation.logits import Grammar
from postgrad.models.rendering.render import Renderer
from postgrad.models.rendering.tools import ToolForm
from postgrad.records import ToolDefinition

MAX_CALLS = 8
"""More calls in one answer are the repetitions of a small model."""
_OPTIONS = {"whitespace_pattern": r"\x20{1,2}|\x0D?\x0A[\x20\x09]{0,32}"}
"""Blanks or one line break with its indentation between the parts of JSON: a weak model would write blanks without
end."""


class Vocabulary:
    """A model's tokens as bytes.

    Args:
        folder: Holds `tokenizer.json`.
        size: How many logits the model gives.
        ends: Ids that end an answer.
    """

    def __init__(self, folder: Path, size: int, ends: Sequence[int]) -> None:
        from llguidance import LLTokenizer

        self.size = size
        self.library = LLTokenizer((folder / "tokenizer.json").read_text("utf-8"), n_vocab=size, eos_token=list(ends))

    def bytes_of(self, token: int) -> bytes:
        """What a token stands for in UTF-8; may be a part of a character."""
        return self.library.decode_bytes([token])

    def literal(self, text: str) -> str:
        """A fixed text as llguidance's grammars spell it, special tokens by their number."""
        out: list[str] = []
        plain: list[int] = []
        for token in [*self.library.tokenize_str(text, parse_special=True), None]:
            if token is not None and not self.library.is_special_token(token):
                plain.append(token)
                continue
            if plain:
                out.append(json.dumps(self.library.decode_str(plain)))
                plain = []
            if token is not None:
                out.append(f"<[{token}]>")
        return " ".join(out)


@functools.lru_cache(maxsize=4)
def load_vocabulary(folder: Path, size: int, ends: tuple[int, ...]) -> Vocabulary:
    """A vocabulary, kept: reading one takes about a third of a second."""
    return Vocabulary(folder, size, ends)


def vocabulary_of(base: BaseModel, renderer: Renderer) -> Vocabulary:
    """The vocabulary of a model."""
    config = base.config.get("text_config", base.config)
    size = max(int(config.get("vocab_size") or 0), renderer.vocabulary)
    return load_vocabulary(base.folder, size, tuple(sorted(renderer.end_ids)))


@dataclass(frozen=True)
class CompiledGrammar:
    """A checked grammar, ready for any number of answers."""

    vocabulary: Vocabulary
    grammar: str

    def begin(self) -> _Matching:
        return _Matching(self)


class _Matching:
    """The grammar's place in one answer."""

    def __init__(self, form: CompiledGrammar) -> None:
        from llguidance import LLMatcher
        from llguidance.numpy import allocate_token_bitmask

        self._matcher = LLMatcher(form.vocabulary.library, form.grammar, log_level=0)
        self._bits = allocate_token_bitmask(1, form.vocabulary.size)
        self._size = form.vocabulary.size

    def allowed(self, size: int) -> torch.Tensor:
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._bits, 0)
        if self._matcher.is_error():
            raise DataError(f"The answer cannot continue in the requested format: {self._matcher.get_error()}")
        words = torch.from_numpy(self._bits[0])
        bits = (words[:, None] >> torch.arange(32, dtype=torch.int32)) & 1
        out = torch.zeros(size, dtype=torch.bool)
        known = min(size, self._size)
        out[:known] = bits.flatten()[:known].bool()
        return out

    def take(self, token: int) -> None:
        self._matcher.consume_token(token)


@dataclass(frozen=True)
class AfterThought:
    """A form that the answer has once its reasoning is over; reasoning is free, but for ending the answer."""

    form: Grammar
    renderer: Renderer

    @classmethod
    def of(cls, form: CompiledGrammar, renderer: Renderer) -> Grammar:
        """The form as this model has to be held to it."""
        return cls(form, renderer) if renderer.thinking else form

    def begin(self) -> _Thinking:
        return _Thinking(self)


class _Thinking:
    """The place in one answer that begins with reasoning."""

    def __init__(self, form: AfterThought) -> None:
        self._renderer, self._inner = form.renderer, form.form.begin()
        self._ids: list[int] = []
        self._over = False

    def allowed(self, size: int) -> torch.Tensor:
        if self._over:
            return self._inner.allowed(size)
        out = torch.ones(size, dtype=torch.bool)
        out[list(self._renderer.end_ids)] = False
        return out

    def take(self, token: int) -> None:
        if self._over:
            self._inner.take(token)
            return
        self._ids.append(token)
        self._over = self._renderer.said(self._ids).over


def json_form(vocabulary: Vocabulary, schema: JsonMapping, *, strict: bool = True) -> CompiledGrammar:
    """Answers that are JSON after a schema.

    Args:
        strict: Refuse a schema with keywords that cannot be held to; otherwise those are let go.

    Raises:
        DataError: the schema is invalid, or has such keywords.
    """
    from llguidance import LLMatcher

    options: Any = {**_OPTIONS, "lenient": not strict}
    plain = {key: value for key, value in schema.items() if key != "x-guidance"}
    try:
        grammar = LLMatcher.grammar_from_json_schema(plain, overrides=options)
    except ValueError as error:
        raise DataError(f"The schema cannot be used: {error}.") from error
    return _checked(vocabulary, grammar, "The schema cannot be used")


def choice_form(vocabulary: Vocabulary, texts: Sequence[str]) -> CompiledGrammar:
    """Answers that are one of these texts."""
    from llguidance import LLMatcher

    grammar = LLMatcher.grammar_from_lark("start: " + " | ".join(json.dumps(t, ensure_ascii=False) for t in texts))
    return _checked(vocabulary, grammar, "Answers cannot be held to these texts")


def calls_form(
    vocabulary: Vocabulary,
    form: ToolForm,
    tools: Sequence[ToolDefinition],
    *,
    several: bool = True,
    otherwise: JsonMapping | None = None,
) -> CompiledGrammar:
    """Answers that are one call of one of the tools, or several.

    Args:
        otherwise: Schema of the answers that may stand instead of a call.

    Raises:
        DataError: the parameters of a tool are no valid schema.
    """
    from llguidance import LLMatcher

    bodies = [_body(form, tool["function"]) for tool in tools]
    opening, closing = vocabulary.literal(form.opening), vocabulary.literal(form.closing)
    if form.listed:
        more = f' ("," body){{0,{MAX_CALLS - 1}}}' if several else ""
        start, call = "call", f'{opening} "[" body{more} "]" {closing}'
    else:
        more = f' ("\\n" call){{0,{MAX_CALLS - 1}}}' if several and form.opening.strip() else ""
        start, call = f"call{more}", f"{opening} body {closing}"
    lines = [f"start: {start}", f"call: {call}", "body: " + " | ".join(f"body{i}" for i in range(len(bodies)))]
    if otherwise is not None:
        lines[0] += " | otherwise"
        lines.append(f"otherwise: %json {json.dumps({**otherwise, 'x-guidance': {**_OPTIONS, 'lenient': True}})}")
    lines += [f"body{i}: %json {json.dumps(body)}" for i, body in enumerate(bodies)]
    return _checked(
        vocabulary, LLMatcher.grammar_from_lark("\n".join(lines)), "The parameters of the tools cannot be used"
    )


def _body(form: ToolForm, function: JsonMapping) -> JsonObject:
    """The schema of one call; definitions move to the top, where their references look for them."""
    arguments = function.get("parameters") or {"type": "object", "properties": {}, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {form.name: {"const": function["name"]}, form.arguments: arguments},
        "required": [form.name, form.arguments],
        "additionalProperties": False,
        "x-guidance": {**_OPTIONS, "lenient": True},
        **{key: arguments[key] for key in ("$defs", "definitions") if key in arguments},
    }


def _checked(vocabulary: Vocabulary, grammar: str, what: str) -> CompiledGrammar:
    from llguidance import LLMatcher

    wrong, messages = LLMatcher.validate_grammar_with_warnings(grammar, vocabulary.library)
    if wrong:
        raise DataError(f"{what}: {messages[0].splitlines()[0]}.")
    return CompiledGrammar(vocabulary, grammar)
