"""The chat template of an export: the base's own, with what the model is asked with besides.

A model that was trained with an instruction is asked with it wherever a conversation brings none of its own; tools
stand in the instruction where a template knows none; an instruction stands in the first request where a template knows
no system role; and a base that can think does so or does not as it was trained. Engines know none of that, so the
template that leaves says it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Renderer
from postgrad.models.rendering.tool_text import TOOLS_AFTER, TOOLS_BEFORE
from postgrad.records import Message, ToolDefinition

_SWITCHES = ("enable_thinking", "thinking")
"""What templates ask to know whether the model thinks first."""
_TOOLS = (
    "{%- if tools %}{%- set offered = namespace(text=BEFORE) %}"
    "{%- for tool in tools %}{%- set offered.text = offered.text ~ (tool | tojson) ~ '\\n' %}{%- endfor %}"
    "{%- set offered.text = offered.text ~ AFTER %}"
    "{%- if messages[0]['role'] == 'system' %}"
    "{%- set messages = [{'role': 'system', 'content': messages[0]['content'] ~ '\\n\\n' ~ offered.text}]"
    " + messages[1:] %}"
    "{%- else %}{%- set messages = [{'role': 'system', 'content': offered.text}] + messages %}{%- endif %}"
    "{%- endif %}"
)
_INSTRUCTION = (
    "{%- if messages[0]['role'] not in ['system', 'developer'] %}"
    "{%- set messages = [{'role': 'system', 'content': INSTRUCTION}] + messages %}{%- endif %}"
)
_MERGED = (
    "{%- if messages[0]['role'] == 'system' and messages | length > 1 and messages[1]['role'] == 'user' %}"
    "{%- set messages = [{'role': 'user', 'content': messages[0]['content'] ~ '\\n\\n' ~ messages[1]['content']}]"
    " + messages[2:] %}{%- endif %}"
)


def leaving_template(renderer: Renderer, instruction: str | None) -> str:
    """The Jinja source that gives a client's messages the prompt that the model is served with."""
    template = renderer.template
    state = "true" if renderer.thinking else "false"
    before = "".join(
        "{%- if " + name + " is not defined %}{%- set " + name + " = " + state + " %}{%- endif %}"
        for name in _SWITCHES
        if name in template.source
    )
    if instruction:
        before += _INSTRUCTION.replace("INSTRUCTION", _text(instruction))
    if not template.has_tools:
        before += _TOOLS.replace("BEFORE", _text(TOOLS_BEFORE)).replace("AFTER", _text(TOOLS_AFTER))
    if not template.has_system_role:
        before += _MERGED
    return before + template.source + _before_answers(renderer)


def _before_answers(renderer: Renderer) -> str:
    """What stands before an answer that was trained, where the template asks for one with less."""
    asked = [Message("user", "u")]
    full = renderer.template.text(asked, start_answer=True)
    own = plainly(renderer.template.source, renderer.template.tokens, asked, (), renderer.thinking)
    if full != own and full.startswith(own):
        return "{%- if add_generation_prompt %}{{ " + _text(full[len(own) :]) + " }}{%- endif %}"
    return ""


def as_asked(messages: Sequence[Message]) -> list[JsonObject]:
    """Messages as a client sends them."""
    return [{k: v for k, v in m.to_dict().items() if k != "weight"} for m in messages]


def plainly(
    source: str,
    tokens: dict[str, str] | object,
    messages: Sequence[Message],
    tools: Sequence[ToolDefinition],
    thinking: bool | None = None,
) -> str:
    """A prompt as transformers writes it with a template, and nothing of ours.

    Args:
        source: Jinja text.
        tokens: Special tokens that it may name.
        messages: Of a client.
        tools: In OpenAI's form.
        thinking: Told to the template; None: nothing is told.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    asked = as_asked(messages)
    told = {} if thinking is None else dict.fromkeys(_SWITCHES, thinking)
    (text,), _ = render_jinja_template(
        conversations=[asked],
        tools=[dict(t) for t in tools] or None,
        chat_template=source,
        add_generation_prompt=True,
        **told,
        **dict(tokens),  # pyright: ignore[reportCallIssue, reportArgumentType]
    )
    return text


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
