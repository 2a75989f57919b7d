"""Tools in templates: the way a template writes calls is learned, and what it wrote is read back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.errors import DataError
from postgrad.models.rendering.render import Renderer
from postgrad.models.rendering.template import Template
from postgrad.models.rendering.tools import WRITTEN_OUT, Call, ToolForm, read_calls, tool_form
from postgrad.records import Conversation, Message
from tests.conftest import CHATML, write_tokenizer

HERMES = (
    "{% if tools %}{{ '<|im_start|>system\n' }}{% for t in tools %}{{ t | tojson + '\n' }}{% endfor %}{{ '<|im_end|>\n'"
    " }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}{% for c in m.tool_calls or"
    " [] %}{{ '\n' if m.content or not loop.first }}{{ '<tool_call>\n{\"name\": \"' + c.function.name + '\","
    " \"arguments\": ' + (c.function.arguments | tojson) + '}\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}{%"
    " endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BARE = (
    "{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ '<|' + m.role + '|>' }}{% if"
    ' m.tool_calls %}{{ \'{"name": "\' + m.tool_calls[0].function.name + \'", "parameters": \' +'
    " (m.tool_calls[0].function.arguments | tojson) + '}' }}{% else %}{{ m.content }}{% endif %}{{ eos_token }}{%"
    " endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
LISTED = (
    "{{ bos_token }}{% if tools %}{{ '[TOOLS]' + (tools | tojson) }}{% endif %}{% for m in messages %}{% if"
    " m.tool_calls %}{{ '[TOOL_CALLS] [' }}{% for c in m.tool_calls %}{{ c.function | tojson }}{{ ', ' if not loop.last"
    " }}{% endfor %}{{ ']' + eos_token }}{% elif m.role == 'user' %}{{ '[INST] ' + m.content + '[/INST]' }}{% else %}{{"
    " m.content + eos_token }}{% endif %}{% endfor %}"
)
XML = (
    "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}{{ m.role + m.content }}{% for c"
    " in m.tool_calls or [] %}{{ '<call ' + c.function.name + '>' }}{% endfor %}{% endfor %}"
)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TEMPLATES = {
    "hermes": Template(HERMES, {"eos_token": "<|im_end|>"}),
    "bare": Template(BARE, TOKENS),
    "listed": Template(LISTED, TOKENS),
    "none": Template(CHATML, {"eos_token": "<|im_end|>"}),
}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def test_the_forms_are_learned():
    assert tool_form(TEMPLATES["hermes"]) == ToolForm("<tool_call>\n", "\n</tool_call>")
    assert tool_form(TEMPLATES["bare"]) == ToolForm("", "", "name", "parameters")
    assert tool_form(TEMPLATES["listed"]) == ToolForm("[TOOL_CALLS] ", "", listed=True)
    assert tool_form(TEMPLATES["none"]) == WRITTEN_OUT
    assert [t.has_tools for t in TEMPLATES.values()] == [True, True, True, False]


def test_a_form_that_is_no_json_is_refused():
    with pytest.raises(DataError, match="cannot read back"):
        tool_form(Template(XML, TOKENS))


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-999, 999),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co"]), max_size=12),
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
arguments = st.dictionaries(st.text("abc", min_size=1, max_size=3), values, max_size=3)


@pytest.mark.parametrize("name", TEMPLATES)
@given(given_=st.lists(arguments, min_size=1, max_size=3), as_text=st.booleans())
def test_what_a_template_writes_is_read_back(name, given_, as_text):
    template = TEMPLATES[name]
    if name == "bare":
        given_ = given_[:1]
    calls = tuple(
        {
            "id": f"call{i:05d}",
            "type": "function",
            "function": {"name": "look", "arguments": json.dumps(a) if as_text else a},
        }
        for i, a in enumerate(given_)
    )
    asked = [Message("user", "u")]
    prompt = template.text(asked, tools=[TOOL], start_answer=True)
    whole = template.text([*asked, Message("assistant", "", tool_calls=calls)], tools=[TOOL])
    assert whole.startswith(prompt)
    answer = whole[len(prompt) :].split(template.tokens["eos_token"])[0]
    beside, read = read_calls(answer, tool_form(template), {"look"})
    assert not beside
    assert [json.loads(c.arguments) for c in read] == given_


def test_what_is_no_call_stays_text():
    form = WRITTEN_OUT
    text = (
        'So: <tool_call>\n{"name": "look", "arguments": {}}\n</tool_call> and <tool_call>\n{"name": "other",'
        ' "arguments": {}}\n</tool_call>'
    )
    beside, calls = read_calls(text, form, {"look"})
    assert calls == [Call("look", "{}")]
    assert beside == 'So:  and <tool_call>\n{"name": "other", "arguments": {}}\n</tool_call>'
    for broken in ("<tool_call>\n{", '<tool_call>\n{"name": 3}', "<tool_call>", "plain { text", "<tool_call>" * 50):
        assert read_calls(broken, form, {"look"}) == (broken, [])
    assert read_calls("a { b", ToolForm("", ""), {"look"}) == ("a { b", [])


def test_a_template_without_tools_gets_them_as_text_and_trains_on_calls():
    template = TEMPLATES["none"]
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "me"}'}}
    messages = [
        Message("user", "u"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "seen", tool_call_id="1"),
    ]
    text, spans = template.spans(messages, [TOOL])
    assert '"name": "look"' in text[: text.index("user\n")], "the tool is offered in the instruction"
    begin, end = spans[1]
    assert text[begin:end] == '<tool_call>\n{"name": "look", "arguments": {"at": "me"}}\n</tool_call>'
    assert len(spans) == len(messages)
    with_system, spans = template.spans([Message("system", "Be kind."), *messages], [TOOL])
    assert with_system.startswith("<|im_start|>system\nBe kind.\n\n") and len(spans) == 4


@pytest.mark.parametrize(
    ("name", "special", "supervised"),
    [
        (
            "hermes",
            ["<|im_start|>", "<|im_end|>"],
            '<tool_call>\n{"name": "look", "arguments": {"at": "me"}}\n</tool_call><|im_end|>',
        ),
        ("bare", ["<s>", "</s>"], '{"name": "look", "parameters": {"at": "me"}}</s>'),
        ("listed", ["<s>", "</s>"], '[TOOL_CALLS] [{"name": "look", "arguments": {"at": "me"}}]</s>'),
    ],
)
def test_a_call_in_the_templates_own_words_is_trained_on(tmp_path, name, special, supervised):
    template = TEMPLATES[name]
    write_tokenizer(tmp_path, template.source, special, special[0], template.tokens["eos_token"])
    renderer = Renderer(tmp_path, 512)
    call = {"id": "call00000", "type": "function", "function": {"name": "look", "arguments": '{"at": "me"}'}}
    messages = (
        Message("user", "u"),
        Message("assistant", "", tool_calls=(call,)),
        Message("user", "and?"),
        Message("assistant", "Seen."),
    )
    rendered = renderer.render(Conversation(messages=messages, tools=(TOOL,)))
    learned = [i for i, w in zip(rendered.ids, rendered.weights, strict=True) if w > 0]
    assert renderer.decode(learned, special=True) == supervised + "Seen." + template.tokens["eos_token"]
