"""What is written reads back the same, for every shape; what a shape cannot hold is refused, never lost unseen."""

from __future__ import annotations

import json
import string
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from postgrad.data import choose_reading, to_records
from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.data.sources.open_source import read_rows
from postgrad.data.writing.containers import writing
from postgrad.data.writing.convert import convert
from postgrad.data.writing.writers import WRITERS, row_of
from postgrad.errors import DataError, UsageError
from postgrad.records import Conversation, Message, Preference, Rating, Record, Source, Task, Text, pair
from tests.needs import real_set

FLAT = ["completions", "csv", "text", "trl-preference", "trl-unpaired", "alpaca"]
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
keys = st.text(string.ascii_lowercase, min_size=3, max_size=9).map("x_".__add__)
scalars = st.one_of(words, st.integers(-99, 99), st.booleans(), st.none(), st.lists(st.integers(), max_size=2))
metas = st.dictionaries(keys | st.sampled_from(["label", "input", "text"]), scalars, max_size=2)
tools = st.lists(
    st.fixed_dictionaries({"type": st.just("function"), "function": st.fixed_dictionaries({"name": keys})}), max_size=2
).map(tuple)
calls = st.builds(
    lambda name, value: {
        "id": "call_2",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps({"v": value}, separators=(",", ":"), ensure_ascii=False)},
    },
    keys,
    scalars,
)
images = st.just(({"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "What?"}))
users = st.builds(Message, st.just("user"), words, name=st.none() | keys) | images.map(
    lambda parts: Message("user", "What?", parts=parts)
)
plain_users = st.builds(Message, st.just("user"), words)
answers = st.builds(Message, st.just("assistant"), words, st.sampled_from([1.0, 1.0, 1.0, 0.0, 0.5]))
plain_answers = st.builds(Message, st.just("assistant"), words)
systems = st.builds(Message, st.just("system"), words).map(lambda m: (m,)) | st.just(())


@st.composite
def prompts(draw):
    simple = draw(st.booleans())
    asks, says = (plain_users, plain_answers) if simple else (users, answers)
    messages = list(draw(systems))
    for _ in range(draw(st.integers(0, 2))):
        messages += [draw(asks), draw(says)]
    messages.append(draw(asks))
    if not simple and draw(st.booleans()):
        call = draw(calls)
        messages += [Message("assistant", "", tool_calls=(call,)), Message("tool", draw(words), tool_call_id="call_2")]
    return tuple(messages)


one_answer = (plain_answers | answers).map(lambda m: (m,))
RECORDS = {
    Conversation: st.builds(
        lambda p, a, t, m: Conversation(messages=(*p, *a), tools=t, meta=m),
        prompts(),
        one_answer,
        tools | st.just(()),
        metas | st.just({}),
    ),
    Preference: st.builds(
        Preference,
        prompt=prompts() | plain_users.map(lambda m: (m,)),
        chosen=one_answer,
        rejected=one_answer,
        tools=tools | st.just(()),
        meta=metas,
    ),
    Rating: st.builds(
        Rating,
        prompt=prompts() | plain_users.map(lambda m: (m,)),
        completion=one_answer,
        good=st.booleans(),
        tools=tools | st.just(()),
        meta=metas,
    ),
    Task: st.builds(Task, prompt=prompts(), reference=words | st.just(""), fields=metas, tools=tools | st.just(())),
    Text: st.builds(Text, text=words, meta=metas),
}


def cases():
    return [(name, kind) for name, writer in WRITERS.items() for kind in writer.kinds]


def nowhere(record: Record) -> Record:
    return replace(record, source=Source())


@pytest.mark.parametrize(("name", "kind"), cases(), ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_what_is_written_reads_back_the_same(name, kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "x.jsonl"
    writer, told = WRITERS[name], []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(RECORDS[kind])
    def check(record):
        try:
            row = row_of(record, writer)
        except Inexpressible as reason:
            assert str(reason)
            event("refused")
            assume(False)
            return
        path.unlink(missing_ok=True)
        with writing(path) as write:
            write(row)
        mapped = to_records(read_rows(path))
        wanted = record if writer.keeps_meta or writer.own else replace(record, meta={})
        found = nowhere(mapped.records[0])
        if writer.calls_anew and isinstance(found, Conversation) and isinstance(wanted, Conversation):
            found, wanted = with_plain_ids(found), with_plain_ids(wanted)
        assert [found] == [wanted]
        told.append(record)

    check()
    assert len(told) >= 5, "the shape holds some of them"


def with_plain_ids(record: Conversation) -> Conversation:
    messages = tuple(
        replace(m, tool_call_id=None, tool_calls=tuple({**c, "id": "c"} for c in m.tool_calls)) for m in record.messages
    )
    return replace(record, messages=messages)


tidy = st.text(string.ascii_letters + string.digits + " ,;|\"'\n\t", min_size=1, max_size=30)
TIDY = {
    Conversation: st.builds(lambda a, b, m: pair(a, b, meta=m), tidy, tidy, st.dictionaries(keys, tidy, max_size=1)),
    Preference: st.builds(
        lambda a, b, c: Preference(
            prompt=(Message("user", a),), chosen=(Message("assistant", b),), rejected=(Message("assistant", c),)
        ),
        tidy,
        tidy,
        tidy,
    ),
    Rating: st.builds(
        lambda a, b, good: Rating(prompt=(Message("user", a),), completion=(Message("assistant", b),), good=good),
        tidy,
        tidy,
        st.booleans(),
    ),
    Text: st.builds(lambda text: Text(text=text), tidy),
}


@pytest.mark.parametrize("name", [n for n in FLAT if n != "text"])
def test_tables_read_back_the_same(name, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "x.csv"
    writer = WRITERS[name]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TIDY[writer.kinds[0]])
    def check(record):
        try:
            rows = [row_of(record, writer, table=True)] * 3
        except Inexpressible:
            assume(False)
            return
        path.unlink(missing_ok=True)
        with writing(path) as write:
            for row in rows:
                write(row)
        mapped = to_records(read_rows(path))
        assert [nowhere(r) for r in mapped.records] == [record] * 3

    check()


CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
TOOL_TALK = Conversation(
    messages=(
        Message("user", "where?"),
        Message("assistant", "", tool_calls=(CALL,)),
        Message("tool", "here", tool_call_id="c1"),
        Message("assistant", "Here."),
    )
)
LONG = Conversation(
    messages=(Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d"))
)
WEIGHTED = Conversation(messages=(Message("user", "a"), Message("assistant", "b", weight=0.0)))


@pytest.mark.parametrize(
    ("name", "record", "reason"),
    [
        ("alpaca", TOOL_TALK, "tool calls"),
        ("completions", LONG, "2 requests"),
        ("bedrock", TOOL_TALK, "tool calls"),
        ("sharegpt", WEIGHTED, "weight"),
        ("trl-messages", WEIGHTED, "weight"),
        ("openai-chat", Conversation(messages=(Message("user", "a"), Message("assistant", "b", weight=0.5))), "0.5"),
        ("openai-chat", Conversation(messages=(Message("user", "a"),)), "without an answer"),
        ("openai-chat", pair("a", "b", meta={"label": True}), "read again as KTO"),
        ("openai-chat", pair("a", "b", meta={"messages": 1}), "'messages'"),
        ("openai-reinforcement", Task(prompt=(Message("user", "a"),), meta={"k": 1}), "fields"),
        (
            "openai-preference",
            Preference(prompt=(Message("user", "a"),), chosen=LONG.messages[1:], rejected=(Message("assistant", "d"),)),
            "better answer",
        ),
    ],
)
def test_what_a_shape_cannot_hold_is_refused_with_the_reason(name, record, reason):
    with pytest.raises(Inexpressible, match=reason):
        row_of(record, WRITERS[name])


def test_weights_and_tools_stay_in_openai_chat():
    for record in (WEIGHTED, replace(TOOL_TALK, tools=({"type": "function", "function": {"name": "find"}},))):
        row = row_of(record, WRITERS["openai-chat"])
        assert row["messages"][1].get("weight") == (0.0 if record is WEIGHTED else None)
        assert ("tools" in row) == bool(record.tools)


def chats(path, count=30, bad=()):
    lines = [
        {"messages": [{"role": "user", "content": f"q {i}"}, {"role": "assistant", "content": f"a {i}"}], "n": i}
        for i in range(count)
    ]
    for i in bad:
        lines[i]["messages"] += lines[i]["messages"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "json", "csv"])
def test_every_container_holds_the_same(tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    done = convert([chats(tmp_path / "in.jsonl")], out, "completions")
    assert (done.read, done.written, done.left_out) == (30, 30, [])
    records = to_records(read_rows(out)).records
    assert [(r.prompt_text, r.answer_text, str(r.meta["n"])) for r in records] == [
        (f"q {i}", f"a {i}", str(i)) for i in range(30)
    ]
    assert bool(done.said) == (ending == "csv")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_parquet_holds_the_same(tmp_path):
    import pyarrow.parquet

    out = tmp_path / "out.parquet"
    convert([chats(tmp_path / "in.jsonl")], out, "completions")
    assert pyarrow.parquet.read_table(out).to_pylist()[3] == {"prompt": "q 3", "completion": "a 3", "n": "3"}


def test_refused_records_are_collected_and_nothing_is_left(tmp_path):
    source, out = chats(tmp_path / "in.jsonl", bad=range(7)), tmp_path / "out.jsonl"
    out.write_text("precious")
    with pytest.raises(DataError) as caught:
        convert([source], out, "completions")
    assert "7 of 30 records" in caught.value.message and "in.jsonl:5: it has 2 requests" in caught.value.message
    assert "and 2 more" in caught.value.message and "in.jsonl:6" not in caught.value.message
    assert out.read_text() == "precious" and sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
    done = convert([source], out, "completions", skip=True)
    assert done.written == 23 and [place.line for place, _ in done.left_out] == [1, 2, 3, 4, 5, 6, 7]


def test_kinds_are_cast_and_it_is_said(tmp_path):
    source = tmp_path / "pairs.jsonl"
    source.write_text(
        "".join(json.dumps({"prompt": f"q {i}", "chosen": "good", "rejected": "bad"}) + "\n" for i in range(4))
    )
    done = convert([source], tmp_path / "chat.jsonl", "openai-chat")
    assert {r.answer_text for r in to_records(read_rows(tmp_path / "chat.jsonl")).records} == {"good"}
    assert "rejected ones were left out" in done.said[0]
    done = convert([source], tmp_path / "kto.jsonl", "kto")
    assert (done.read, done.written) == (4, 8)
    done = convert([tmp_path / "kto.jsonl"], tmp_path / "back.jsonl", "openai-chat")
    assert done.written == 4 and "4 records were left out: the answer was rated bad." in done.said
    done = convert([tmp_path / "chat.jsonl"], tmp_path / "rl.jsonl", "openai-reinforcement")
    task = to_records(read_rows(tmp_path / "rl.jsonl")).records[0]
    assert isinstance(task, Task) and task.reference == "good" and task.fields == {}


def test_metadata_that_a_shape_cannot_hold_is_named(tmp_path):
    source = chats(tmp_path / "in.jsonl")
    assert convert([source], tmp_path / "b.jsonl", "bedrock").said == ["Metadata was left out: n."]
    assert convert([source], tmp_path / "c.jsonl", "openai-chat", meta=False).said == ["Metadata was left out: n."]
    assert to_records(read_rows(tmp_path / "c.jsonl")).records[0].meta == {}


def test_unknown_shapes_and_endings_are_refused(tmp_path):
    source = chats(tmp_path / "in.jsonl")
    with pytest.raises(UsageError, match="openai-chatt"):
        convert([source], tmp_path / "x.jsonl", "openai-chatt")
    with pytest.raises(UsageError, match="ending"):
        convert([source], tmp_path / "x.docx", "openai-chat")
    text = tmp_path / "text.jsonl"
    text.write_text(json.dumps({"text": "Once."}) + "\n")
    with pytest.raises(DataError, match="only one text"):
        convert([text], tmp_path / "x.csv", "text")
    with pytest.raises(DataError, match="no cell of a table"):
        convert([source], tmp_path / "x.csv", "openai-chat")


@pytest.mark.parametrize(
    "name", ["glaive_toolcall_en_demo.json", "dpo_en_demo.json", "kto_en_demo.json", "c4_demo.jsonl", "mllm_demo.json"]
)
def test_real_sets_go_through_postgrad_s_own_form_unchanged(tmp_path, name):
    path = real_set(f"llamafactory_demos/{name}")
    convert([path], tmp_path / "own.jsonl", "postgrad-jsonl")
    rows, own = read_rows(path), read_rows(tmp_path / "own.jsonl")
    before, after = choose_reading(rows).records(rows), choose_reading(own).records(own)
    assert [nowhere(r) for r in before] == [nowhere(r) for r in after]
