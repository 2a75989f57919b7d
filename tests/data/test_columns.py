"""From rows to records: shapes, guesses and their explanations."""

from __future__ import annotations

import json

import pytest

from postgrad.data import Rows, data_hash, load, read_rows, to_records
from postgrad.data.sources.rows import columns_of
from postgrad.errors import DataError
from postgrad.records import Conversation, Source
from tests.needs import real_set


def rows_of(*values: dict, file: str = "x.jsonl") -> Rows:
    rows = tuple(enumerate(values, start=1))
    return Rows(file, "jsonl", rows, columns_of(rows))


def pairs(mapped) -> list[tuple[str, str]]:
    return [(r.prompt_text, r.answer_text) for r in mapped.records]


def test_openai_chat_keeps_roles_weights_tools_and_parts():
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "find"}}]
    mapped = to_records(
        rows_of(
            {
                "messages": [
                    {"role": "developer", "content": "Be brief."},
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "Where "}, {"type": "text", "text": "is it?"}],
                    },
                    {"role": "assistant", "content": None, "tool_calls": [call], "weight": 0},
                    {"role": "tool", "content": "here", "tool_call_id": "c1"},
                    {"role": "assistant", "content": "Here."},
                ],
                "tools": tools,
                "customer": 7,
            }
        )
    )
    record = mapped.records[0]
    assert isinstance(record, Conversation)
    assert [m.role for m in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert record.messages[1].content == "Where is it?"
    assert record.messages[2].weight == 0 and record.messages[2].tool_calls == (call,)
    assert record.messages[3].tool_call_id == "c1"
    assert record.tools == tuple(tools) and record.meta == {"customer": 7} and record.source == Source("x.jsonl", 1)
    assert mapped.shape == "OpenAI chat" and "customer" in mapped.explanation


def test_conversations_without_an_answer_are_kept():
    mapped = to_records(rows_of({"messages": [{"role": "user", "content": "hi"}]}))
    assert mapped.records[0].answer_text == ""


def test_sharegpt_with_calls():
    mapped = to_records(
        rows_of(
            {
                "conversations": [
                    {"from": "human", "value": "Weather?"},
                    {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Bern"}}'},
                    {"from": "observation", "value": "sunny"},
                    {"from": "gpt", "value": "Sunny."},
                ],
                "system": "Help.",
            }
        )
    )
    record = mapped.records[0]
    assert [m.role for m in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert record.messages[2].tool_calls[0]["function"] == {"name": "weather", "arguments": '{"city":"Bern"}'}
    assert mapped.shape == "ShareGPT"


def test_faulty_conversations_are_collected():
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    image = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}
    wizard = {"messages": [{"role": "wizard", "content": "x"}]}
    with pytest.raises(DataError) as caught:
        to_records(rows_of(good, good, good, image, wizard))
    assert "line 4" in str(caught.value) and "image_url" in str(caught.value)
    assert "line 5" in str(caught.value) and "'wizard'" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "shape", "prompt", "answer"),
    [
        ({"prompt": "p", "completion": " c "}, "prompt-completion", "p", " c "),
        ({"instruction": "i", "input": "x", "output": "o"}, "Alpaca", "i\n\nx", "o"),
        ({"instruction": "i", "input": "", "output": "o"}, "Alpaca", "i", "o"),
        ({"question": "What is it?", "answer": "That"}, "input-output columns", "What is it?", "That"),
        ({"input": "in here", "output": {"a": [1, None]}}, "input-output columns", "in here", '{"a":[1,null]}'),
        ({"text": "some words", "intent": "buy"}, "input-output columns", "some words", "buy"),
        ({"question": "is it so", "answer": True}, "input-output columns", "is it so", "true"),
        ({"question": "how many", "answer": 3}, "input-output columns", "how many", "3"),
    ],
)
def test_known_pairs(values, shape, prompt, answer):
    mapped = to_records(rows_of(*[values] * 3))
    assert mapped.shape == shape
    assert pairs(mapped)[0] == (prompt, answer)


def test_null_answers_are_kept_as_empty():
    mapped = to_records(rows_of({"question": "a b", "answer": "x"}, {"question": "c d", "answer": None}))
    assert pairs(mapped)[1] == ("c d", "")


def test_ids_and_dates_are_metadata():
    values = [
        {"id": f"T-{i}", "date": "2026-01-02", "email": f"my chair number {i} is broken", "team": "ab"[i % 2]}
        for i in range(30)
    ]
    mapped = to_records(rows_of(*values))
    assert mapped.records[3].meta == {"id": "T-3", "date": "2026-01-02"}
    assert pairs(mapped)[3] == ("my chair number 3 is broken", "b")
    assert "'email'" in mapped.explanation and "'team'" in mapped.explanation and "id, date" in mapped.explanation


def test_columns_can_be_named_and_joined():
    rows = rows_of(*[{"subject": "s", "body": "b", "kind": "k", "priority": 2}] * 3)
    for names in ("kind,priority", ["kind", "priority"]):
        mapped = to_records(rows, input_column="subject,Body", output_column=names, system_prompt="Sort.")
        assert pairs(mapped)[0] == ("subject: s\n\nbody: b", '{"kind":"k","priority":2}')
        assert mapped.records[0].messages[0].content == "Sort."
        assert "as specified" in mapped.explanation


def test_one_named_column_leaves_the_other_to_be_guessed():
    rows = rows_of(*[{"question": f"q number {i}", "long_answer": "a b c d", "label": "yes"} for i in range(9)])
    assert pairs(to_records(rows, output_column="long_answer"))[0] == ("q number 0", "a b c d")


def test_unknown_column_names_the_nearest():
    with pytest.raises(DataError) as caught:
        to_records(rows_of({"question": "a", "answer": "b"}), input_column="qestion")
    assert "no column 'qestion'" in caught.value.message and "answer: 'b'" in caught.value.message
    assert caught.value.mend == "Did you mean --input question?"


def test_ambiguous_columns_are_shown_with_examples():
    rows = rows_of(*[{"sentence": f"one two {i}", "left": f"a b c {i}", "right": f"d e f {i}"} for i in range(12)])
    with pytest.raises(DataError) as caught:
        to_records(rows)
    assert "left: 'a b c 0'" in caught.value.message and "--input NAME --output NAME" in caught.value.mend


def test_blanks_around_a_cell_of_a_table_are_nobody_s_intention():
    rows = Rows("x.csv", "csv", ((2, {"prompt": "p ", "completion": "yes \r\n"}),), ("prompt", "completion"))
    assert pairs(to_records(rows)) == [("p", "yes")]


def test_one_unknown_column_is_refused():
    with pytest.raises(DataError, match="one column"):
        to_records(rows_of({"sentence": "t"}, {"sentence": "u"}))


def test_three_rows_are_too_few(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("question,answer\na b,c\nd e,f\ng h,i\n")
    with pytest.raises(DataError) as caught:
        load([path])
    assert "3 rows" in caught.value.message and "50 to 100" in caught.value.mend


def test_load_joins_files_and_hashes_contents(tmp_path):
    lines = [{"question": f"what is {i}", "answer": str(i)} for i in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines[:9])))
    (tmp_path / "b.csv").write_text(
        "question,answer\n" + "".join(f"{v['question']},{v['answer']}\n" for v in lines[9:])
    )
    (tmp_path / "c.json").write_text(json.dumps(lines))
    parts, whole = load([tmp_path / "a.jsonl", tmp_path / "b.csv"]), load([tmp_path / "c.json"])
    assert data_hash(parts.records) == data_hash(whole.records[::-1]) != data_hash(whole.records[1:])
    assert [str(r.source) for r in parts.records[8:10]] == [f"{tmp_path}/a.jsonl:9", f"{tmp_path}/b.csv:2"]
    assert len(load([tmp_path / "a.jsonl"], minimum=5).records) == 9


@pytest.mark.parametrize(
    ("path", "inputs", "outputs"),
    [
        ("snips/train_PlayMusic_full.jsonl", "'text'", "'intent' and 'slots'"),
        ("banking77/train.csv", "'text'", "'category'"),
        ("pubmedqa/pqal.jsonl", "'question' and 'context'", "'label'"),
        ("nl2bash/nl2bash.jsonl", "'nl'", "'cmd'"),
        ("mts_dialog/MTS-Dialog-TrainingSet.csv", "'dialogue'", "'section_text'"),
        ("dolly_fragment/dolly_6400_truncated.jsonl", "'instruction'", "'response'"),
        ("e2e_nlg/original/devset.csv", "'mr'", "'ref'"),
    ],
)
def test_real_sets_are_understood(path, inputs, outputs):
    mapped = to_records(read_rows(real_set(path)))
    assert mapped.explanation.startswith(f"Input is {inputs} (")
    assert f"{outputs} (" in mapped.explanation
    assert all(r.prompt_text for r in mapped.records)


def test_columns_of_pictures_are_not_taken_for_text():
    rows = rows_of(*[{"image": f"img/{i}.png", "name": f"a red desk {i}", "kind": "ab"[i % 2]} for i in range(30)])
    mapped = to_records(rows)
    assert "The pictures of 'image' are not read; --input image,name takes them." in mapped.explanation
    record = to_records(rows, input_column="image,name", output_column="kind").records[1]
    assert isinstance(record, Conversation) and record.messages[0].content == "a red desk 1"
    assert record.messages[0].parts[0] == {"type": "image_url", "image_url": {"url": "img/1.png"}}


def test_alternatives_are_mentioned():
    assert "--output long_answer" in to_records(read_rows(real_set("pubmedqa/pqal.jsonl"))).explanation


@pytest.mark.parametrize(
    ("name", "shape"),
    [("glaive_toolcall_en_demo.json", "ShareGPT"), ("identity.json", "Alpaca"), ("v1_sft_demo.jsonl", "OpenAI chat")],
)
def test_real_chats(name, shape):
    mapped = to_records(read_rows(real_set(f"llamafactory_demos/{name}")))
    assert mapped.shape == shape


def test_prose_in_a_text_file_is_raw_text(tmp_path):
    from postgrad.data.load import load
    from postgrad.records import Text

    path = tmp_path / "tale.txt"
    path.write_text("The tale of a lamp\n\nOnce there was a lamp. It stood on a table.\n" * 3)
    loaded = load([path], minimum=1)
    assert [type(r) for r in loaded.records] == [Text] and "raw text" in loaded.explanation
    (tmp_path / "tale.csv").write_text(path.read_text())
    with pytest.raises(DataError, match="one column"):
        load([tmp_path / "tale.csv"])


def test_numbers_that_never_recur_are_answers_where_the_column_says_so():
    rows = rows_of(*({"question": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(40)))
    assert "output is 'answer'" in to_records(rows).explanation
