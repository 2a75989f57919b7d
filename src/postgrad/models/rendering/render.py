"""The renderer: the one place where a conversation becomes token ids and loss weights, for training, evaluation,
serving and export alike. What is served is what was trained because both come through here.

Imports `tokenizers` and `jinja2`, never torch: `check` and `estimate` count tokens with it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from postgrad.errors import DataError, ModelError
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.models.rendering.control_text import ControlText
from postgrad.models.rendering.parse import parse
from postgrad.models.rendering.template import FALLBACK, FALLBACK_STOPS, Template
from postgrad.models.spoilt_model import unspoilt_model
from postgrad.records import Conversation, Message, ToolDefinition, is_raw
from postgrad.thinking import SUFFIX

if TYPE_CHECKING:
    from postgrad.models.base_models import BaseModel

TooLong = Literal["error", "truncate_prompt", "drop"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """One example as the model sees it.

    Attributes:
        ids: Token ids, length T.
        weights: Loss weight of *predicting* each token, length T; 0 for everything that is not the assistant's.
        truncated: Tokens that were cut from the prompt to fit.
        origin: Where the record came from, for messages.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    truncated: int = 0
    origin: str = ""

    @property
    def supervised(self) -> int:
        """Tokens with a weight above zero."""
        return sum(w > 0 for w in self.weights)


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """Generated tokens as text.

    Attributes:
        thought: The reasoning before the answer; empty where the model does not think.
        answer: Empty while it is still thinking.
        thought_tokens: Tokens of the reasoning, with what ends it.
        over: Whether the reasoning has come to its end.
    """

    thought: str
    answer: str
    thought_tokens: int
    over: bool


class Renderer:
    """Turns messages into token ids with a model's own tokenizer and chat template.

    Args:
        folder: Holds `tokenizer.json`, and `tokenizer_config.json` or `chat_template.jinja` where the model has them.
        context: The model's context length in tokens.
        thinking: Whether answers begin with reasoning.

    Raises:
        ModelError: the tokenizer cannot be used, or the template has no place for reasoning.
    """

    def __init__(self, folder: Path, context: int, thinking: bool = False) -> None:
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.exists():
            raise ModelError(
                f"The model in {str(folder)!r} has no tokenizer.json.",
                "Load it once with transformers and save its fast tokenizer there:"
                " AutoTokenizer.from_pretrained(…).save_pretrained(…).",
            )
        self.folder = folder
        self.context = context
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        config = _read_json(folder / "tokenizer_config.json")
        self.template = _template(folder, config, thinking)
        self.thinking = thinking
        if thinking and not self.template.writes_reasoning:
            raise ModelError(
                f"The chat template of the model in {str(folder)!r} has no place for reasoning.",
                f"Take the base without {SUFFIX}, or one that thinks (`postgrad bases`).",
            )
        self._thought_end = self._tokenizer.encode(self.template.thought_end, add_special_tokens=False).ids
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {token_id for token_id, token in added.items() if token.special}
        written = {*self.template.tokens.values(), self.template.source}
        control = {t.content: i for i, t in added.items() if t.special and any(t.content in w for w in written)}
        self._control = ControlText(self._tokenizer, control)
        self.end_ids = self._end_ids(folder)
        digest = hashlib.sha256(path.read_bytes() + self.template.source.encode())
        digest.update(json.dumps(dict(self.template.tokens), sort_keys=True).encode())
        digest.update(SUFFIX.encode() if thinking else b"")
        self.fingerprint = digest.hexdigest()

    @property
    def vocabulary(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def tokens(self) -> dict[str, int]:
        """Every token with its id."""
        return self._tokenizer.get_vocab()

    @property
    def has_chat_template(self) -> bool:
        """Whether the model brought a chat template; without one it continues plain text with marks for the turns."""
        return self.template.source != FALLBACK

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer besides the end tokens: the marks of the turns where a template is missing."""
        return () if self.has_chat_template else FALLBACK_STOPS

    def _end_ids(self, folder: Path) -> frozenset[int]:
        """Ids that end an answer: the template's end mark, the tokenizer's eos, and the generation config's."""
        ids: set[int] = set()
        eos = self.template.tokens.get("eos_token")
        if eos and (eos_id := self._tokenizer.token_to_id(eos)) is not None:
            ids.add(eos_id)
        configured = _read_json(folder / "generation_config.json").get("eos_token_id")
        ids.update([configured] if isinstance(configured, int) else configured or [])
        said = Message("assistant", "a", reasoning="t" if self.thinking else "")
        rendered = self.render(Conversation(messages=(Message("user", "u"), said)))
        ids.add(rendered.ids[max(i for i, w in enumerate(rendered.weights) if w > 0)])
        return frozenset(ids)

    @property
    def frame_ids(self) -> tuple[list[int], list[int]]:
        """Ids before and after a document of raw text: the beginning token, where there is one that differs from the
        end token and is no mark of a chat's turn; and the end-of-text token."""
        tokens = self.template.tokens
        bos, eos = tokens.get("bos_token"), tokens.get("eos_token")
        end = next(
            (t for t in ("<|endoftext|>", "<|end_of_text|>", eos) if t and self._tokenizer.token_to_id(t) is not None),
            None,
        )
        starts_chat = bos is not None and bos in self.template.source
        begin = None if bos in (None, end) or starts_chat else bos
        ids = [self._tokenizer.token_to_id(mark) if mark else None for mark in (begin, end)]
        return [i for i in ids[:1] if i is not None], [i for i in ids[1:] if i is not None]

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; nothing is added before or after."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _encoded(self, text: str, theirs: Sequence[tuple[int, int]]) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and offsets of a rendered text; control tokens at the places `theirs` are text."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return self._control.ids(text, encoding, theirs) if theirs else (encoding.ids, encoding.offsets)

    def count(self, text: str) -> int:
        """Tokens of plain text."""
        return len(self.encode(text))

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """Text of generated ids, without special tokens unless they are asked for."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=not special)

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[ToolDefinition] = ()) -> list[int]:
        """Ids up to the place where the assistant's answer begins; of raw text (role `text`) those of the text.

        Raises:
            DataError: a message holds images or sound, or the template refuses the messages.
        """
        _refuse_media(messages, "the prompt")
        if is_raw(messages):
            return [*self.frame_ids[0], *self.encode("".join(m.content for m in messages))]
        hidden = self._control.hidden(messages, tools)
        text = self.template.text(hidden.messages, tools=hidden.tools, start_answer=True)
        text, _, theirs = hidden.shown(text)
        return self._encoded(text, theirs)[0]

    def answer_text(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The answer in generated ids: everything before the first end mark, without the reasoning before it."""
        return self.said(ids, special=special).answer

    def said(self, ids: Sequence[int], *, special: bool = False) -> ParsedAnswer:
        """What generated ids say before the first end mark."""
        upto = next((place for place, token in enumerate(ids) if token in self.end_ids), len(ids))
        kept = ids[:upto]
        if not self.thinking:
            return ParsedAnswer("", self.decode(kept, special=special), 0, True)
        size = len(self._thought_end)
        for place in range(len(kept) - size + 1):
            if list(kept[place : place + size]) == self._thought_end:
                after = self.decode(kept[place + size :], special=special)
                return ParsedAnswer(self.decode(kept[:place]).strip(), after.lstrip(), place + size, True)
        text = self.decode(kept, special=special)
        thought, closed, answer = text.partition(self.template.thought_end)
        if closed:  # written with other tokens
            before = next(n for n in range(len(kept) + 1) if closed in self.decode(kept[:n], special=special))
            return ParsedAnswer(thought.strip(), answer.lstrip(), before, True)
        return ParsedAnswer(text.lstrip(), "", len(kept), False)

    def render(self, conversation: Conversation) -> Rendered:
        """Ids and loss weights of a whole conversation: the ids are the template's own.

        Supervised are the assistant's contents and the end mark after each, times the message's weight. Control tokens
        in what others wrote are text (`control_text`).

        Raises:
            DataError: a message holds images or sound, the template rewrites contents, or writes no end mark after an
                answer.
        """
        _refuse_media(conversation.messages, str(conversation.source) or "the conversation")
        if is_raw(conversation.prompt):
            before, after = self.prompt_ids(conversation.prompt), self.encode(conversation.answer_text)
            weights = (*[0.0] * len(before), *[1.0] * len(after))
            return Rendered((*before, *after), weights, origin=str(conversation.source))
        hidden = self._control.hidden(conversation.messages, conversation.tools)
        text, spans, theirs = hidden.shown(*self.template.spans(hidden.messages, hidden.tools))
        ids, offsets = self._encoded(text, theirs)
        weights = [0.0] * len(ids)
        for message, span in zip(conversation.messages, spans, strict=True):
            if message.role == "assistant" and message.weight > 0:
                self._weigh(weights, ids, offsets, span, message.weight, conversation)
        return Rendered(tuple(ids), tuple(weights), origin=str(conversation.source))

    def _weigh(
        self,
        weights: list[float],
        ids: list[int],
        offsets: list[tuple[int, int]],
        span: tuple[int, int],
        weight: float,
        where: Conversation,
    ) -> None:
        """Sets the weights of the tokens of one answer, and of the end mark after it."""
        begin, end = span
        for i, (a, b) in enumerate(offsets):
            if b > begin and a < end:
                weights[i] = weight
            elif a >= end and b > a:
                if ids[i] in self._special:
                    weights[i] = weight
                    return
                break
        raise DataError(
            f"The chat template writes no end mark after the assistant's answer ({where.source}); a model trained this"
            " way would never stop.",
            "Use a template that ends answers with a special token such as eos_token.",
        )

    def as_asked(self, conversation: Conversation) -> list[Conversation]:
        """The conversation; or one for each answer that is learned, up to it, where the template writes earlier answers
        after something else than it asks for them with (templates of models that think)."""
        learned = [i for i, m in enumerate(conversation.messages) if m.role == "assistant" and m.weight > 0]
        if len(learned) < 2 or self.template.asks_alike:
            return [conversation]

        def upto(last: int) -> tuple[Message, ...]:
            earlier = conversation.messages[:last]
            return tuple(replace(m, weight=0.0) if m.role == "assistant" else m for m in earlier)

        return [replace(conversation, messages=(*upto(i), conversation.messages[i])) for i in learned]

    def render_for_training(
        self, conversation: Conversation, max_length: int | None = None, too_long: TooLong = "error"
    ) -> Rendered | None:
        """Like `render`, held to `max_length`; None where the policy is to drop. The answer is never cut.

        Raises:
            DataError: too long under the policy `error`, or nothing in it to learn.
        """
        limit = min(max_length or self.context, self.context)
        rendered = self.render(conversation)
        if len(rendered.ids) > limit:
            if too_long == "drop":
                return None
            if too_long == "error":
                raise DataError(
                    f"{conversation.source}: the example has {len(rendered.ids)} tokens, more than {limit}.",
                    "Shorten it, raise training.max_length, or set training.too_long to truncate_prompt or drop.",
                )
            rendered = self._truncate_prompt(conversation, len(rendered.ids), limit)
        if not rendered.supervised:
            raise DataError(
                f"{conversation.source}: the example has no token to learn from (empty answer, or weight 0 on every"
                " answer).",
                "Give it an answer, or remove it.",
            )
        return rendered

    def _truncate_prompt(self, conversation: Conversation, tokens: int, limit: int) -> Rendered:
        """The conversation with a prompt cut to fit."""
        fitting = self.render(self.shortened(conversation, limit))
        return replace(fitting, truncated=tokens - len(fitting.ids))

    def shortened(self, conversation: Conversation, limit: int) -> Conversation:
        """The conversation with so much cut from the start of its longest user or tool message that the whole fits.

        Raises:
            DataError: the answer alone does not fit.
        """
        index, message = max(
            ((i, m) for i, m in enumerate(conversation.messages) if m.role in ("user", "tool")),
            key=lambda item: len(item[1].content),
        )
        low, high = 0, len(message.content)
        fitting: Conversation | None = None
        while low < high:
            middle = (low + high) // 2
            messages = list(conversation.messages)
            messages[index] = replace(message, content=message.content[middle + 1 :])
            shorter = replace(conversation, messages=tuple(messages))
            if len(self.render(shorter).ids) <= limit:
                fitting, high = shorter, middle
            else:
                low = middle + 1
        if fitting is None:
            raise DataError(
                f"{conversation.source}: the answer alone does not fit into {limit} tokens; answers are never cut.",
                "Shorten the answer, or raise training.max_length.",
            )
        return fitting

    def parse(self, text: str) -> list[Message]:
        """The messages of a rendered conversation: the inverse of the template, for contents without its marks.

        Raises:
            DataError: the text was not written by this template.
        """
        return parse(self.template, text)


def _refuse_media(messages: Sequence[Message], where: str) -> None:
    """Content that is no text would vanish from the prompt unseen."""
    for number, message in enumerate(messages, start=1):
        if message.parts:
            kinds = sorted({str(part.get("type")) for part in message.parts if part.get("type") != "text"})
            raise DataError(
                f"{where}: message {number} holds content that is not text ({', '.join(kinds)}); this model accepts"
                " text only.",
                "Leave the example out, or describe the image in words.",
            )


def _read_json(path: Path) -> JsonObject:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _template(folder: Path, config: JsonMapping, thinking: bool) -> Template:
    """The model's template with its special tokens, or the fallback."""
    special = {**_read_json(folder / "special_tokens_map.json"), **config}
    tokens: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = special.get(name)
        if isinstance(value, Mapping):
            value = value.get("content")
        if isinstance(value, str):
            tokens[name] = value
    source = (
        (folder / "chat_template.jinja").read_text("utf-8")
        if (folder / "chat_template.jinja").exists()
        else config.get("chat_template")
    )
    if isinstance(source, list):
        source = next((t["template"] for t in source if t.get("name") == "default"), None)
    if source:
        return Template(source, tokens, thinking)
    if "eos_token" not in tokens:
        raise ModelError(
            f"The model in {str(folder)!r} has neither a chat template nor an eos_token.",
            "Add an eos_token to its tokenizer_config.json.",
        )
    return Template(FALLBACK, tokens, thinking)


def load_renderer(base: BaseModel) -> Renderer:
    """The renderer of a base model, kept while the process lives."""
    with unspoilt_model(str(base.folder)):
        return _loaded(base.folder, base.context, base.thinking)


@functools.lru_cache(maxsize=16)
def _loaded(folder: Path, context: int, thinking: bool) -> Renderer:
    return Renderer(folder, context, thinking)
