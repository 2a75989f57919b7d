"""Chat templates: Jinja text in, conversation text out, the way `transformers` renders it, but without importing it.

Also learns from a template, by rendering marked conversations, where each message's own text begins and ends. That is
what makes exact loss masks and parsing possible for any template that treats contents as opaque text.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postgrad.errors import DataError, ModelError
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.models.rendering.tool_text import written_out
from postgrad.records import Message, ToolDefinition

FALLBACK = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ '### Request:\n' + message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ '### Answer:\n' + message['content'] + eos_token + '\n\n' }}"
    "{% else %}{{ '### Tool:\n' + message['content'] + '\n\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '### Answer:\n' }}{% endif %}"
)
"""For models that bring none: plain text marks that need no tokens of their own, and the model's own end token."""
FALLBACK_STOPS = tuple(
    before + mark for before in ("\n\n", "\n", "") for mark in ("### Request:", "### Answer:", "### Tool:")
)
"""Where the model goes on with a turn that is not its own. A mark as plain text is no end token: a base model writes
the next one after its answer, and a short training does not always break it of that."""

_OF_VALUES = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What a template raises that does not fit the values that it is given."""
_MARK = "\ue000{}\ue001"  # private-use characters: no real text has them, no template strips them


@functools.lru_cache(maxsize=64)
def _compiled(source: str) -> Any:
    import jinja2
    from jinja2.ext import Extension, loopcontrols

    from postgrad.models.rendering.bounded_template import (  # here: jinja2 is loaded when needed
        BoundedEnvironment,
        bounded,
        narrow_places,
    )

    def tojson(value: object, indent: int | None = None, ensure_ascii: bool = False, **_: object) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def strftime_now(form: str) -> str:
        narrow_places(form, ())
        return datetime.datetime.now().strftime(form)

    class Generation(Extension):
        """`{% generation %}` … `{% endgeneration %}` marks what the model has written; the text is what stands in
        it."""

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    Generation.tags = {"generation"}
    environment = BoundedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
    environment.filters["tojson"] = bounded(tojson, "tojson")
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ModelError(
            f"The model's chat template has a syntax error in line {error.lineno}: {error.message}."
        ) from error
    except (jinja2.TemplateError, RecursionError, MemoryError) as error:
        raise ModelError(
            f"The model's chat template is not used: {error or 'its parts are nested too deep'}."
        ) from error


@dataclass(frozen=True)
class Template:
    """A chat template with the special tokens that it may name.

    Attributes:
        source: Jinja text.
        tokens: `bos_token`, `eos_token` and the like, as text.
        thinking: Whether answers begin with reasoning; else none is written, and templates that can ask for none do.
    """

    source: str
    tokens: Mapping[str, str]
    thinking: bool = False

    def text(
        self, messages: Sequence[Message], *, tools: Sequence[ToolDefinition] = (), start_answer: bool = False
    ) -> str:
        """The conversation as the template writes it; `start_answer` adds what stands before the answer to it.

        A system message is merged into the first user message where the template knows no system role.

        Raises:
            DataError: the template refuses the order of the messages.
        """
        ready = self._ready(messages, tools)
        return self._before_answer(ready, tools) if start_answer else self._render(ready, tools, False)

    def _before_answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> str:
        """All that the template writes before an answer when it is there, so that what is asked begins as what is
        trained.

        What templates write themselves to start an answer is often something else: they open a block of thinking, or
        leave out the empty one that they put before an answer without any.
        """
        mark = _MARK.format("a")
        thinks = self.thinking and self.writes_reasoning
        answer = Message("assistant", "a", reasoning=mark) if thinks else Message("assistant", mark)
        try:
            before, found, _ = self._render([*messages, answer], tools, False).partition(mark)
        except DataError:  # the template knows no conversation in which an answer comes here
            before = found = ""
        if thinks and found:
            return before  # whoever opens the block of reasoning otherwise, here it is open
        own = self._render(messages, tools, True)
        # a blank before an answer is part of its first token: the model writes it
        return before if found and before.rstrip(" ") != own.rstrip(" ") else own

    def _ready(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[Message]:
        """The messages in the words that the template knows: tools and system text go elsewhere where it has no
        place."""
        if not self.thinking and any(m.reasoning for m in messages):
            messages = [replace(m, reasoning="") for m in messages]
        if (tools or any(m.tool_calls for m in messages)) and not self.has_tools:
            messages = written_out(messages, tools)
        if messages and messages[0].role == "system" and not self.has_system_role:
            messages = merge_system(messages)
        return messages

    @functools.cached_property
    def thought_end(self) -> str:
        """What the template writes between reasoning and answer, without blanks at its ends; empty where it has no
        place for reasoning."""
        thought, answer = _MARK.format("t"), _MARK.format("a")
        messages = [Message("user", "u"), Message("assistant", answer, reasoning=thought)]
        try:
            between, found, _ = self._render(messages, (), False).partition(thought)[2].partition(answer)
        except DataError:
            return ""
        return between.strip() if found else ""

    @property
    def writes_reasoning(self) -> bool:
        """Whether the template has a place for what an assistant thought before it answered."""
        return bool(self.thought_end)

    @functools.cached_property
    def has_tools(self) -> bool:
        """Whether the template itself writes down the tools that are offered."""
        mark = _MARK.format("t")
        tool = {"type": "function", "function": {"name": mark, "description": "d", "parameters": {"type": "object"}}}
        try:
            return mark in self._render([Message("user", "u")], [tool], True)
        except DataError:
            return False

    @functools.cached_property
    def asks_alike(self) -> bool:
        """Whether an answer in the middle of a conversation stands after what it was asked for with."""
        roles = ("user", "assistant", "user", "assistant")
        messages = [Message(role, _MARK.format(i)) for i, role in enumerate(roles)]
        if self.thinking:
            messages = [replace(m, reasoning=f"t{m.content}") if m.role == "assistant" else m for m in messages]
            if not all(m.reasoning in self.text(messages) for m in messages):
                return False  # the reasoning of earlier answers is not written again
        return self.text(messages).startswith(self.text(messages[:1], start_answer=True).rstrip(" "))

    @functools.cached_property
    def _wants_parts(self) -> bool:
        """Whether contents are written only where they are lists of parts, as those of models that see images are."""
        mark = _MARK.format("p")
        seen = []
        for parts in (False, True):
            with contextlib.suppress(DataError):
                seen.append(mark in self._written([Message("user", mark)], (), True, parts))
        return seen == [False, True]

    def _render(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], start_answer: bool) -> str:
        return self._written(messages, tools, start_answer, self._wants_parts)

    def _written(
        self, messages: Sequence[Message], tools: Sequence[ToolDefinition], start_answer: bool, parts: bool
    ) -> str:
        import jinja2

        from postgrad.models.rendering.bounded_template import begin  # here: jinja2 is loaded when needed

        plain, compiled = [_template_view(message, parts) for message in messages], _compiled(self.source)
        try:
            begin(sum(len(m.content) for m in messages))
            return compiled.render(
                messages=plain,
                tools=[dict(t) for t in tools] or None,
                add_generation_prompt=start_answer,
                enable_thinking=self.thinking,
                thinking=self.thinking,
                **self.tokens,
            )
        except jinja2.exceptions.SecurityError as error:
            raise ModelError(
                f"The model's chat template is not used: {error}.", "Look at who made the model, or choose another."
            ) from error
        except MemoryError as error:
            raise ModelError("The model's chat template is not used: it needs more memory than there is.") from error
        except (jinja2.TemplateError, *_OF_VALUES) as error:
            roles = ", ".join(m.role for m in messages)
            raise DataError(
                f"The model's chat template refuses a conversation with the roles {roles}: {error}.",
                "Reorder the messages (user and assistant in turn, the assistant last), or choose another base model.",
            ) from error

    @functools.cached_property
    def has_system_role(self) -> bool:
        """Whether a system message keeps its text in the rendering."""
        mark = _MARK.format("s")
        try:
            return mark in self._render([Message("system", mark), Message("user", "u")], (), True)
        except DataError:
            return False

    def spans(
        self, messages: Sequence[Message], tools: Sequence[ToolDefinition] = ()
    ) -> tuple[str, list[tuple[int, int]]]:
        """The rendered text and, for each message, the half-open character range of its own content in it.

        The content of an answer that calls tools is everything that the template writes for it up to the end mark. A
        message whose content the template leaves out has an empty range at 0. Contents may be stripped by the template.

        Raises:
            DataError: the template rewrites a content, so that its place cannot be known.
        """
        merged = self._ready(messages, tools)
        text = self._render(merged, tools, False)
        marks = [_MARK.format(i) for i in range(len(merged))]
        marked_messages = [m if m.tool_calls else replace(m, content=k) for m, k in zip(merged, marks, strict=True)]
        spans = _align(text, self._render(marked_messages, tools, False), [m.content for m in merged], marks)
        for i, message in enumerate(merged):
            if message.tool_calls:
                spans[i] = self._call_span(text, merged[:i], tools)
            elif self.thinking and message.role == "assistant" and (message.reasoning or i == len(merged) - 1):
                spans[i] = self._thought_span(text, merged[:i], tools, message, spans[i])
        if len(merged) < len(messages):
            spans.insert(0, (0, 0))
        return text, spans[len(merged) - len(messages) :] if len(merged) > len(messages) else spans

    def _thought_span(
        self,
        text: str,
        before: Sequence[Message],
        tools: Sequence[ToolDefinition],
        message: Message,
        span: tuple[int, int],
    ) -> tuple[int, int]:
        """Where an answer stands with its reasoning: from where it is asked for. Without, where the template leaves the
        reasoning of earlier turns out.

        Raises:
            DataError: the last answer does not stand after what it is asked for with.
        """
        asked = self._before_answer(before, tools)
        thought = message.reasoning.strip()
        if text.startswith(asked) and thought in text[len(asked) : span[0]]:
            return len(asked), span[1]
        if message.weight > 0 and not thought:
            raise DataError(
                "An answer has no reasoning, and the model's chat template writes none before it.",
                "Give it some in reasoning_content, leave it out, or take the base without +thinking.",
            )
        return span

    def _call_span(self, text: str, before: Sequence[Message], tools: Sequence[ToolDefinition]) -> tuple[int, int]:
        """Where the answer after these messages stands: from where it begins to the end mark."""
        asked = self._before_answer(before, tools) if self.thinking else self._render(before, tools, True)
        begin = len(asked) if text.startswith(asked) else -1
        mark = self.tokens.get("eos_token", "")
        end = text.find(mark, begin) if mark and begin >= 0 else -1
        if end < 0:
            raise DataError(
                "The model's chat template writes tool calls so that the trained part is not separable from the rest.",
                "Leave the examples with tool calls out, or choose another base model.",
            )
        return begin, end


def merge_system(messages: Sequence[Message]) -> list[Message]:
    """The system text put before the first user message, for templates without a system role."""
    system, rest = messages[0], list(messages[1:])
    for i, message in enumerate(rest):
        if message.role == "user":
            rest[i] = replace(message, content=f"{system.content}\n\n{message.content}")
            return rest
    raise DataError("A conversation has a system message but no user message.", "Add the user's request to it.")


def _template_view(message: Message, parts: bool) -> JsonObject:
    view = message.to_dict()
    view.pop("weight", None)
    if message.reasoning:
        view["thinking"] = message.reasoning  # as gpt-oss calls it
    if parts:
        view["content"] = [{"type": "text", "text": message.content}]
    if message.tool_calls:  # templates write the arguments as JSON themselves; OpenAI's form has them as JSON text
        view["tool_calls"] = [_with_object(call) for call in message.tool_calls]
    return view


def _with_object(call: JsonMapping) -> JsonObject:
    function = dict(call.get("function") or {})
    if isinstance(arguments := function.get("arguments"), str):
        with contextlib.suppress(ValueError):
            function["arguments"] = json.loads(arguments)
    return {**call, "function": function}


def _align(text: str, marked: str, contents: Sequence[str], marks: Sequence[str]) -> list[tuple[int, int]]:
    """Finds each content in `text` from the place of its mark in `marked`."""
    order = sorted((i for i in range(len(marks)) if marks[i] in marked), key=lambda i: marked.index(marks[i]))
    spans = [(0, 0)] * len(marks)
    in_text = in_marked = 0
    for i in order:
        place = marked.index(marks[i], in_marked)
        between = marked[in_marked:place]
        if not text.startswith(between, in_text):
            raise _rewritten(contents[i])
        in_text += len(between)
        in_marked = place + len(marks[i])
        for form in (contents[i], contents[i].strip(), contents[i].rstrip(), contents[i].lstrip()):
            if text.startswith(form, in_text) and _continues(text, in_text + len(form), marked, in_marked):
                break
        else:
            raise _rewritten(contents[i])
        spans[i] = (in_text, in_text + len(form))
        in_text += len(form)
    if text[in_text:] != marked[in_marked:]:
        raise _rewritten(contents[-1] if contents else "")
    return spans


def _continues(text: str, in_text: int, marked: str, in_marked: int) -> bool:
    """Whether what follows the content is what follows the mark, up to the next mark."""
    end = marked.find("\ue000", in_marked)
    tail = marked[in_marked : end if end >= 0 else len(marked)]
    return text.startswith(tail, in_text)


def _rewritten(content: str) -> DataError:
    return DataError(
        f"The model's chat template rewrites the message {content[:80]!r}, so the trained part is not separable from"
        " the rest.",
        "Use a template that writes messages as they are; reasoning belongs into reasoning_content.",
    )
