"""Every shape is recognised by its content, read into the right kind of record, and never mixed with another."""

from __future__ import annotations

import json

import pytest

from postgrad.data import choose_reading, load, read_rows, to_records
from postgrad.data.load import conversations, is_usable
from postgrad.errors import DataError
from postgrad.records import Conversation, Message, Preference, Rating, Task, Text
from tests.conftest import ROOT
from tests.data.test_columns import rows_of
from tests.needs import real_set

ASKED, SAID, WORSE = "Is the desk in stock?", "It is.", "Who knows."
USER, ANSWER, BAD = (
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": SAID},
    {"role": "assistant", "content": WORSE},
)
HUMAN, GPT, GPT_BAD = (
    {"from": "human", "value": ASKED},
    {"from": "gpt", "value": SAID},
    {"from": "gpt", "value": WORSE},
)
PAIR = Preference(
    prompt=(Message("user", ASKED),),
    chosen=(Message("assistant", SAID),),
    rejected=(Message("assistant", WORSE),),
)
CHAT = Conversation(messages=(Message("user", ASKED), Message("assistant", SAID)))
GOOD = Rating(prompt=(Message("user", ASKED),), completion=(Message("assistant", SAID),), good=True)
TASK = Task(prompt=(Message("user", ASKED),), reference="yes", fields={"answer": "yes"})

LINES = {
    "OpenAI chat": ({"messages": [USER, ANSWER]}, CHAT),
    "OpenAI preference": (
        {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [BAD]},
        PAIR,
    ),
    "OpenAI preference as the specification spells it": (
        {"input": {"messages": [USER]}, "preferred_completion": [ANSWER], "non_preferred_completion": [BAD]},
        PAIR,
    ),
    "OpenAI reinforcement": ({"messages": [USER], "answer": "yes"}, TASK),
    "prompt-completion": ({"prompt": ASKED, "completion": SAID}, CHAT),
    "prompt-completion of messages": ({"prompt": [USER], "completion": [ANSWER]}, CHAT),
    "Alpaca": ({"instruction": ASKED, "input": "", "output": SAID}, CHAT),
    "ShareGPT": ({"conversations": [HUMAN, GPT]}, CHAT),
    "Bedrock conversation": (
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [{"role": m["role"], "content": [{"text": m["content"]}]} for m in (USER, ANSWER)],
        },
        CHAT,
    ),
    "prompt only": ({"prompt": [USER], "answer": "yes"}, TASK),
    "preference": ({"prompt": ASKED, "chosen": SAID, "rejected": WORSE}, PAIR),
    "preference of messages": ({"prompt": [USER], "chosen": [ANSWER], "rejected": [BAD]}, PAIR),
    "preference, ShareGPT": ({"conversations": [HUMAN], "chosen": GPT, "rejected": GPT_BAD}, PAIR),
    "preference, Alpaca": ({"instruction": ASKED, "input": "", "chosen": SAID, "rejected": WORSE}, PAIR),
    "preference beside whole conversations": (
        {"prompt": ASKED, "chosen": [USER, ANSWER], "rejected": [USER, BAD]},
        PAIR,
    ),
    "preference with implicit prompt": ({"chosen": [USER, ANSWER], "rejected": [USER, BAD]}, PAIR),
    "preference with implicit prompt, transcripts": (
        {
            "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {SAID}",
            "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: {WORSE}",
        },
        PAIR,
    ),
    "preference conversations": ({"chosen_messages": [USER, ANSWER], "rejected_messages": [USER, BAD]}, PAIR),
    "votes on two answers": (
        {"instruction": ASKED, "input": "", "response1": WORSE, "response2": SAID, "annotator1": 2, "annotator2": "2"},
        PAIR,
    ),
    "KTO": ({"messages": [USER, ANSWER], "label": True}, GOOD),
    "KTO, tagged": ({"messages": [USER, ANSWER], "kto_tag": "true"}, GOOD),
    "KTO, ShareGPT": ({"conversations": [HUMAN, GPT], "kto_tag": True}, GOOD),
    "KTO, Alpaca": ({"instruction": ASKED, "input": "", "output": SAID, "kto_tag": True}, GOOD),
    "unpaired preference": ({"prompt": ASKED, "completion": SAID, "label": 1}, GOOD),
    "unpaired preference of messages": ({"prompt": [USER], "completion": [ANSWER], "label": True}, GOOD),
    "text": ({"text": "Once upon a time."}, Text(text="Once upon a time.")),
    "multiple choice": (
        {"question": ASKED, "choices": ["no", "yes"], "answer": 1},
        Task(
            prompt=(Message("user", f"{ASKED}\nA. no\nB. yes"),),
            reference="B",
            fields={"choices": ["no", "yes"], "right": 1},
        ),
    ),
}


def plain(record):
    """What a record says, without its source and its metadata."""
    from postgrad.records import content_hash

    return content_hash(record)


@pytest.mark.parametrize("name", LINES)
def test_every_shape_is_recognised_and_read(name):
    values, record = LINES[name]
    mapped = to_records(rows_of(values, values))
    assert (
        mapped.shape
        == name.split(" of messages")[0]
        .split(" as the")[0]
        .split(" beside")[0]
        .removesuffix(", transcripts")
        .removesuffix(", tagged")
        or mapped.shape == name.split(",")[0]
    )
    assert [type(r) for r in mapped.records] == [type(record)] * 2
    assert plain(mapped.records[0]) == plain(record)
    assert mapped.explanation.startswith(f"Read as {mapped.shape}: ") and mapped.explanation.endswith(".")
    assert str(mapped.records[1].source) == "x.jsonl:2"
    assert all(is_usable(r) for r in mapped.records)


@pytest.mark.parametrize("name", LINES)
def test_what_stands_besides_is_kept(name):
    values, record = LINES[name]
    if isinstance(record, Text):
        values, extra = {**values, "url": "u"}, "url"
    else:
        values, extra = {**values, "customer": 7}, "customer"
    kept = to_records(rows_of(values)).records[0]
    assert extra in (kept.fields if isinstance(kept, Task) else kept.meta)


@pytest.mark.parametrize("other", ["OpenAI preference", "KTO", "ShareGPT", "prompt-completion", "text"])
def test_mixed_files_are_refused_with_a_line_of_each_kind(other):
    chat, odd = LINES["OpenAI chat"][0], LINES[other][0]
    with pytest.raises(DataError) as caught:
        to_records(rows_of(chat, chat, odd, chat))
    assert "line 1 is OpenAI chat (3 rows)" in caught.value.message and f"line 3 is {other}" in caught.value.message


def test_a_few_unanswered_conversations_do_not_make_a_chat_something_else():
    chat, open_end = LINES["OpenAI chat"][0], {"messages": [USER]}
    assert {type(r) for r in to_records(rows_of(chat, chat, open_end)).records} == {Conversation}
    with pytest.raises(DataError, match="mixes"):
        to_records(rows_of(chat, open_end, open_end))


def test_files_of_different_kinds_are_not_loaded_together(tmp_path):
    for name in ("OpenAI chat", "preference"):
        (tmp_path / f"{name[:3]}.jsonl").write_text("".join(json.dumps(LINES[name][0]) + "\n" for _ in range(10)))
    with pytest.raises(DataError, match="different kinds"):
        load([tmp_path / "Ope.jsonl", tmp_path / "pre.jsonl"])


def test_later_chunks_keep_to_the_reading_of_the_first():
    first, later = rows_of(LINES["OpenAI chat"][0]), rows_of({"messages": [USER]}, LINES["KTO"][0])
    reading = choose_reading(first)
    assert len(reading.records(first)) == 1
    with pytest.raises(DataError) as caught:
        reading.records(later)
    assert "line 2: the row is KTO, the rows before it are OpenAI chat" in caught.value.message
    table = choose_reading(rows_of({"question": "a b", "answer": "c"}))
    with pytest.raises(DataError, match="it looks like OpenAI chat"):
        table.records(first)


def test_ties_are_left_out_and_counted():
    row = {"instruction": ASKED, "response1": SAID, "response2": WORSE, "annotator1": 1}
    votes = ([1, 2], [0, 0], [1, 1], [2, 2], [1, 0])
    rows = [{**row, "annotator1": a, "annotator2": b} for a, b in votes]
    mapped = to_records(rows_of(*rows))
    assert [r.chosen[0].content for r in mapped.records] == [SAID, WORSE]
    assert "3 rows were left out" in mapped.notes[-1] and "lines 1, 2, 5" in mapped.notes[-1]


def test_stepwise_supervision_is_refused_with_the_reason():
    row = {"prompt": "p", "completions": ["step one", "step two"], "labels": [True, False]}
    with pytest.raises(DataError, match="single steps"):
        to_records(rows_of(row))


def test_functions_and_parallel_calls_are_kept():
    function = {"name": "find", "parameters": {}}
    row = {"messages": [USER, ANSWER], "functions": [function], "parallel_tool_calls": False}
    record = to_records(rows_of(row)).records[0]
    assert isinstance(record, Conversation) and record.tools == ({"type": "function", "function": function},)
    assert record.meta == {"parallel_tool_calls": False}
    pair = {**LINES["OpenAI preference"][0]}
    pair["input"] = {"messages": [USER], "tools": [function], "parallel_tool_calls": True}
    record = to_records(rows_of(pair)).records[0]
    assert isinstance(record, Preference) and record.tools == (function,)
    assert record.meta == {"parallel_tool_calls": True}


def test_implicit_prompts_end_with_a_word():
    record = to_records(rows_of({"chosen": "The sky is blue.", "rejected": "The sky is black."})).records[0]
    assert isinstance(record, Preference)
    assert (record.prompt_text, record.answer_text) == ("The sky is", " blue.")
    asked = [[{"role": "user", "content": text}, {"role": "assistant", "content": "A"}] for text in ("Q", "Which?")]
    greeted = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    with pytest.raises(DataError, match=r"line 1: .* answer different requests, 'Q' and 'Which\?'"):
        to_records(rows_of({"chosen": [*greeted, *asked[0]], "rejected": [*greeted, *asked[1]]}))
    with pytest.raises(DataError, match="do not begin alike"):
        to_records(rows_of({"chosen": "Yes.", "rejected": "No."}))


@pytest.mark.parametrize(
    "row",
    [
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "a.png"}},
                        {"type": "text", "text": "What?"},
                    ],
                },
                ANSWER,
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "value": "a.png"}, {"type": "text", "value": "What?"}],
                },
                ANSWER,
            ]
        },
        {"messages": [{"role": "user", "content": "<image>What?"}, ANSWER], "images": ["a.png"]},
        {"messages": [{"role": "user", "content": "What?"}, ANSWER], "images": ["a.png"]},
        {"conversations": [{"from": "human", "value": "<image>What?"}, GPT], "image": "a.png"},
        {
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}],
            "completion": [ANSWER],
            "images": [{"bytes": None, "path": "a.png"}],
        },
    ],
)
def test_images_are_kept_as_openai_spells_them(row):
    record = to_records(rows_of(row)).records[0]
    assert isinstance(record, Conversation)
    first = record.messages[0]
    assert first.content == "What?"
    assert list(first.parts) == [
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "text", "text": "What?"},
    ]


def test_images_without_a_place_are_named():
    row = {"messages": [{"role": "user", "content": "<image> or <image>?"}, ANSWER], "images": ["a.png"]}
    with pytest.raises(DataError, match="1 images, but 2 places"):
        to_records(rows_of(row))


@pytest.mark.parametrize("name", ["preference", "KTO", "OpenAI reinforcement", "text"])
def test_other_kinds_are_refused_where_conversations_are_needed(tmp_path, name):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(LINES[name][0]) + "\n" for _ in range(12)))
    with pytest.raises(DataError) as caught:
        conversations(load([path]))
    way = "--objective pretrain" if name == "text" else "--to openai-chat"
    assert str(path) in caught.value.message and way in caught.value.mend


def test_images_are_refused_by_the_renderer(tiny_folder):
    from postgrad.models.base_models import find_model
    from postgrad.models.rendering.render import load_renderer

    row = {"messages": [{"role": "user", "content": "<image>What?"}, ANSWER], "images": ["a.png"]}
    record = to_records(rows_of(row)).records[0]
    assert isinstance(record, Conversation)
    renderer = load_renderer(find_model(str(tiny_folder)))
    with pytest.raises(DataError, match=r"x\.jsonl:1: message 1 holds content that is not text \(image_url\)"):
        renderer.render(record)
    with pytest.raises(DataError, match="not text"):
        renderer.prompt_ids(record.prompt)


def test_a_system_prompt_goes_before_every_prompt_that_has_none():
    for name in ("OpenAI chat", "preference", "KTO", "OpenAI reinforcement"):
        record = to_records(rows_of(LINES[name][0]), system_prompt="Be kind.").records[0]
        messages = record.messages if isinstance(record, Conversation) else record.prompt
        assert messages[0] == Message("system", "Be kind.")


REAL = {
    "llamafactory_demos/c4_demo.jsonl": ("text", Text, 300),
    "llamafactory_demos/dpo_en_demo.json": ("preference", Preference, 300),
    "llamafactory_demos/kto_en_demo.json": ("KTO", Rating, 300),
    "llamafactory_demos/v1_dpo_demo.jsonl": ("preference conversations", Preference, 10),
    "llamafactory_demos/v1_multimodal_demo.jsonl": ("OpenAI chat", Conversation, 24),
    "llamafactory_demos/mllm_demo.json": ("OpenAI chat", Conversation, 6),
    "llamafactory_demos/reason_tool_use_demo_50.jsonl": ("OpenAI chat", Conversation, 50),
    "hh_rlhf_harmless_test/harmless_base_test.jsonl": ("preference with implicit prompt", Preference, 2312),
    "pandalm_test/testset-v1.json": ("votes on two answers", Preference, 894),
    "bfcl_tool_calls/BFCL_v4_multiple.jsonl": ("function calling", Task, 200),
    "mmlu/dev.jsonl": ("multiple choice", Task, 285),
    "arc/arc_easy_validation.jsonl": ("multiple choice", Task, 570),
    "ifeval/input_data.jsonl": ("prompt only", Task, 541),
    "mt_bench/dummy_conversation.json": ("ShareGPT", Conversation, 500),
    "self_instruct/data/seed_tasks.jsonl": ("Self-Instruct", Conversation, 175),
}


@pytest.mark.parametrize("path", REAL)
def test_real_sets_have_the_right_kind(path):
    shape, kind, count = REAL[path]
    mapped = to_records(read_rows(real_set(path)))
    assert (mapped.shape, len(mapped.records)) == (shape, count)
    assert {type(r) for r in mapped.records} == {kind}
    assert sum(is_usable(r) for r in mapped.records) > 0.9 * count


def test_the_lines_in_the_documentation_are_read():
    table = [line for line in (ROOT / "docs" / "data.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    lines = [part for row in table for part in row.split("`")[1::2] if part.startswith('{"') and "…" not in part]
    assert len(lines) >= 10
    for line in lines:
        mapped = to_records(rows_of(json.loads(line)))
        assert mapped.shape != "input-output columns" and all(is_usable(r) for r in mapped.records), line
