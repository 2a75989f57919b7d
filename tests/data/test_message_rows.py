"""Exports with one row for each message, as help desks, chat programs and databases write them, become
conversations; where it is not clear who answers, a person is asked."""

from __future__ import annotations

import csv
import itertools
import json
import re

import pytest

from postgrad.data import load
from postgrad.data.shapes.message_layout import MessageColumns, side_of
from postgrad.data.writing.convert import convert
from postgrad.errors import DataError, UsageError
from tests.needs import real_set


def table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def desk(columns=("conversation_id", "role", "text", "timestamp"), people=("customer", "agent"), count=12):
    """Rows of a help desk: in each conversation a greeting, a request, an answer in two messages, a thank-you."""
    thread, speaker, text, time = columns
    rows = []
    for n in range(count):
        said = [
            (1, "Hello!"),
            (0, f"Where is order {n}?"),
            (1, "One moment."),
            (1, f"It comes on day {n}."),
            (0, "Thanks"),
        ]
        rows += [
            {thread: n, speaker: people[who], text: words, time: f"2026-03-{n + 1:02}T10:0{place}:00"}
            for place, (who, words) in enumerate(said)
        ]
    return rows


EXPECTED = [(f"Where is order {n}?", f"One moment.\nIt comes on day {n}.") for n in range(12)]


def pairs(loaded):
    return [(r.messages[0].content, r.messages[1].content) for r in loaded.records]


@pytest.mark.parametrize(
    ("columns", "people"),
    [
        (("conversation_id", "role", "text", "timestamp"), ("customer", "agent")),
        (("Ticket ID", "author", "body", "created_at"), ("End-user", "Support Agent")),
        (("thread", "sender", "message", "date"), ("Visitor 17", "Bot")),
        (("ConversationId", "direction", "content", "SentAt"), ("inbound", "outbound")),
        (("session", "from", "utterance", "time"), ("user", "Customer Service")),
    ],
)
def test_the_usual_columns_are_known(tmp_path, columns, people):
    loaded = load([table(tmp_path / "x.csv", desk(columns, people))])
    assert pairs(loaded) == EXPECTED and loaded.shape == "OpenAI chat"
    assert f"{people[1]!r} is the assistant" in loaded.explanation and "60 messages in 12 conv" in loaded.explanation
    assert loaded.records[3].meta[columns[0]] in (3, "3") and loaded.records[3].source.line == 18
    assert loaded.records[3].meta[columns[3]].startswith("2026-03-04"), "the split by time needs it"
    assert {n.partition(":")[0] for n in loaded.notes} == {
        "12 messages were left out",
    }
    assert len(loaded.notes) == 2, "greetings and thank-yous, each with a reason"


def test_messages_stand_in_the_order_of_time_whatever_the_order_of_the_file(tmp_path):
    rows = desk()
    assert pairs(load([table(tmp_path / "x.csv", rows[::-1])])) == EXPECTED[::-1]
    mixed = [rows[i] for i in sorted(range(len(rows)), key=lambda i: (i * 37) % 61)]
    assert sorted(pairs(load([table(tmp_path / "x.csv", mixed)]))) == sorted(EXPECTED)
    for row, turn in zip(mixed, itertools.count(), strict=False):
        del row["timestamp"]
        row["turn"] = rows.index(next(r for r in rows if r["text"] == row["text"])) if turn < 0 else 0
    numbered = [
        {**row, "turn": place % 5}
        for place, row in enumerate({k: v for k, v in r.items() if k != "turn"} for r in rows)
    ]
    assert pairs(load([table(tmp_path / "x.csv", numbered[::-1])])) == EXPECTED[::-1]


def test_the_time_is_that_of_the_message_not_of_its_ticket(tmp_path):
    """Help desks export when the ticket was opened and changed beside each message."""
    rows = [
        {
            "ticket_id": row["conversation_id"],
            "ticket_created_at": "2026-01-01T00:00:00",
            "updated_at": f"2026-05-{28 - place % 5:02}T00:00:00",
            "role": row["role"] if place % 7 else "",
            "body": row["text"] if place % 7 else "(merged)",
            "comment_created_at": row["timestamp"],
        }
        for place, row in enumerate(desk())
    ]
    loaded = load([table(tmp_path / "x.csv", rows[::-1])])
    assert "in the order of 'comment_created_at'" in loaded.explanation
    assert any("internal notes, or written by a program" in note for note in loaded.notes), "rows that nobody wrote"


def test_a_kind_of_request_is_no_conversation(tmp_path):
    rows = [{"issue": f"kind {n % 4}", "author": f"a{n}", "body": f"My lamp number {n} is broken."} for n in range(60)]
    with pytest.raises(DataError, match="not clear which column holds the right answer"):
        load([table(tmp_path / "x.csv", [{k: v for k, v in r.items() if k != "issue"} for r in rows])])
    assert "output is 'issue'" in load([table(tmp_path / "x.csv", rows)], output_column="issue").explanation
    with pytest.raises(DataError, match="cannot be read as one row for each message"):
        load([table(tmp_path / "x.csv", rows)], messages=MessageColumns(assistant=("a1",)))


def test_who_answers_is_asked_where_no_name_says_it(tmp_path):
    people = [f"cust{n}@mail.example" for n in range(12)]
    rows = desk(("thread", "sender", "text", "time"), ("?", "Anna Berg"))
    for row in rows:
        row["sender"] = people[row["thread"]] if row["sender"] == "?" else row["sender"]
    path = table(tmp_path / "x.csv", rows)
    with pytest.raises(DataError, match="whose messages are the answers") as asked:
        load([path])
    assert "'Anna Berg' (12)" in str(asked.value) and "--assistant 'Anna Berg'" in asked.value.mend
    for wanted in ("anna berg", "Anna*"):
        assert pairs(load([path], messages=MessageColumns(assistant=(wanted,)))) == EXPECTED
    with pytest.raises(DataError, match="Did you mean --assistant 'Anna Berg'"):
        load([path], messages=MessageColumns(assistant=("Ana Berg",)))
    with pytest.raises(DataError, match="no column 'sendr'"):
        load([path], messages=MessageColumns(speaker="sendr"))
    with pytest.raises(UsageError, match="Give one or the other"):
        load([path], input_column="text", messages=MessageColumns(assistant=("Anna*",)))
    assert load([path], input_column="text", output_column="sender").records[0].answer_text == "Anna Berg"


def test_examples_with_a_speaker_beside_them_stay_examples(tmp_path):
    """A label that differs from message to message is what is learned; one of the whole ticket is not."""
    rows = [{**row, "intent": f"i{place % 3}"} for place, row in enumerate(desk())]
    assert "output is 'intent'" in load([table(tmp_path / "x.csv", rows)]).explanation
    rows = [{**row, "category": f"c{row['conversation_id'] % 3}"} for row in desk()]
    loaded = load([table(tmp_path / "x.csv", rows)])
    assert pairs(loaded) == EXPECTED and loaded.records[4].meta["category"] == "c1"
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (tmp_path / "x.jsonl").write_text(
        "\n".join(json.dumps({**chat, "thread": n // 2, "author": "x"}) for n in range(12))
    )
    assert len(load([tmp_path / "x.jsonl"]).records) == 12
    with pytest.raises(DataError, match="whole conversations"):
        load([tmp_path / "x.jsonl"], messages=MessageColumns(assistant=("x",)))


@pytest.mark.parametrize("name", ["author", "title", "subject"])
def test_what_is_hardly_an_answer_is_not_learned_unasked(tmp_path, name):
    rows = [
        {"text": f"What about the {n}th lamp of the shop, then?", name: f"{'ab'[n % 2]} word {n}"} for n in range(20)
    ]
    path = table(tmp_path / "x.csv", rows)
    if name == "author":
        with pytest.raises(DataError, match="looks like who wrote it") as asked:
            load([path])
        assert f"--output {name}" in asked.value.mend
    assert load([path], output_column=name).records[0].answer_text == "a word 0"


def ticket(n, comments):
    return {
        "id": 900 + n,
        "subject": f"Order {n}",
        "description": f"Where is {n}?",
        "requester_id": n,
        "comments": comments,
    }


@pytest.mark.parametrize(
    "comment",
    [
        lambda n, who, text: {"author_id": n if who == "user" else 7777, "body": text},
        lambda n, who, text: {
            "author": {"name": "A. B.", "role": "end-user" if who == "user" else "agent"},
            "body": text,
        },
        lambda n, who, text: {"from": "customer" if who == "user" else "support", "text": text},
        lambda n, who, text: {"role": who, "content": text},
    ],
)
def test_tickets_with_comments(tmp_path, comment):
    tickets = [
        ticket(n, [
            comment(n, "agent", f"It comes on day {n}."),
            {**comment(n, "agent", "A good customer"), "public": False},
            comment(n, "user", "When exactly?"),
            comment(n, "agent", "At noon."),
        ])
        for n in range(12)
    ]  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps({"tickets": tickets}))
    loaded = load([tmp_path / "x.json"])
    assert [m.content for m in loaded.records[2].messages] == [
        "Order 2\n\nWhere is 2?",
        "It comes on day 2.",
        "When exactly?",
        "At noon.",
    ]
    assert any("12 messages were left out: internal notes" in note for note in loaded.notes)
    assert loaded.records[2].meta["subject"] == "Order 2"


WHATSAPP = "".join(
    f"{n + 1}/2/26, 10:1{m} AM - {who}: {text}\n"
    for n in range(12)
    for m, (who, text) in enumerate(
        [("Mia", f"Is lamp {n} in stock?"), ("Haven Lights", "Yes."), ("Haven Lights", f"{n} left.")]
    )
)


def test_a_chat_on_a_telephone(tmp_path):
    (tmp_path / "chat.txt").write_text(WHATSAPP)
    with pytest.raises(DataError, match=r"'Haven Lights' \(24\), 'Mia' \(12\)"):
        load([tmp_path / "chat.txt"])
    loaded = load([tmp_path / "chat.txt"], messages=MessageColumns(assistant=("Haven Lights",)))
    assert pairs(loaded) == [(f"Is lamp {n} in stock?", f"Yes.\n{n} left.") for n in range(12)]
    assert "pauses of four hours" in loaded.explanation


def test_a_group_says_who_asks(tmp_path):
    rows = [
        {"thread": n, "author": who, "text": text}
        for n in range(12)
        for who, text in (("ann", "Is it open?"), ("bo", "And on Sunday?"), ("support", f"Until {n}."))
    ]
    loaded = load([table(tmp_path / "x.csv", rows)])
    assert pairs(loaded)[5] == ("ann: Is it open?\nbo: And on Sunday?", "Until 5.")


def test_conversions_read_them_too(tmp_path):
    path = table(tmp_path / "x.csv", desk())
    done = convert([path], tmp_path / "out.jsonl", "openai-chat", meta=False)
    assert done.written == 12 and "60 messages in 12 conversations" in done.explanations[0]
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert [m["role"] for m in first["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("Customer", "user"),
        ("END-USER", "user"),
        ("customer service", "assistant"),
        ("Agents", "assistant"),
        ("ai", "assistant"),
        ("Maria", None),
        ("support customer", None),
        ("System", "aside"),
        ("", None),
    ],
)
def test_where_somebody_stands(name, side):
    assert side_of(name) == side


# ---- real conversations, as a database would export them ----


def dialogues():
    """Doctors and patients: (speaker, what was said) of each conversation."""
    with real_set("mts_dialog/MTS-Dialog-ValidationSet.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            said = re.findall(r"^\s*(\w+):\s*(.*?)(?=^\s*\w+:|\Z)", row["dialogue"], re.M | re.S)
            yield [(who, " ".join(text.split())) for who, text in said]


def test_real_doctors_and_patients(tmp_path):
    rows = [
        {"call_id": n, "turn": t, "speaker": who, "utterance": text}
        for n, said in enumerate(dialogues())
        for t, (who, text) in enumerate(said)
    ]
    loaded = load([table(tmp_path / "x.csv", rows)])
    assert "'Doctor'" in loaded.explanation.split("is the assistant")[0] and len(loaded.records) > 80
    assert all(r.messages[0].role == "user" and r.messages[-1].role == "assistant" for r in loaded.records)
    told = sum(len(m.content) for r in loaded.records for m in r.messages)
    assert told > 0.6 * sum(len(row["utterance"]) for row in rows)


def test_real_talks_with_an_assistant(tmp_path):
    rows = []
    lines = real_set("hh_rlhf_harmless_test/harmless_base_test.jsonl").read_text("utf-8").splitlines()[:200]
    for n, line in enumerate(lines):
        said = re.findall(
            r"\n\n(Human|Assistant): (.*?)(?=\n\n(?:Human|Assistant): |\Z)", json.loads(line)["chosen"], re.S
        )
        rows += [
            {"chat": n, "author_role": who.lower(), "body": text, "id": len(rows) + i}
            for i, (who, text) in enumerate(said)
        ]
    loaded = load([table(tmp_path / "x.csv", rows)])
    assert len(loaded.records) > 180 and "'assistant' is the assistant and 'human' the user" in loaded.explanation


def test_real_turns_of_customers_alone_stay_intents():
    """Multidogo's customers, without their agents: what differs by turn is the intent."""
    path = real_set("multidogo/splits_annotated_at_turn_level/airline/dev.tsv")
    assert "output" in load([path]).explanation and "'intent'" in load([path]).explanation


def test_real_turns_with_their_agents_answers(tmp_path):
    """Multidogo's customers, answered by an agent after each turn."""
    with real_set("multidogo/splits_annotated_at_turn_level/airline/dev.tsv").open(encoding="utf-8") as file:
        turns = list(csv.DictReader(file, delimiter="\t"))
    rows = []
    for turn in turns:
        for who, text in (("customer", turn["utterance"]), ("agent", f"About {turn['intent']}: noted.")):
            rows.append(
                {
                    "conversationId": turn["conversationId"],
                    "turnNumber": len(rows),
                    "authorRole": who,
                    "utterance": text,
                }
            )
    loaded = load([table(tmp_path / "x.csv", rows)])
    assert len(loaded.records) == len({t["conversationId"] for t in turns})
    assert sum(m.role == "assistant" for r in loaded.records for m in r.messages) == len(turns)


def test_a_real_channel_of_helpers():
    """Who answers cannot be known: it is asked; then each answer stands with whom it is addressed to."""
    path = real_set("ubuntu_irc/dev/2009-02-23_10.raw.txt")
    with pytest.raises(DataError, match="whose messages are the answers") as asked:
        load([path])
    helper = re.search(r"messages: '([^']+)'", str(asked.value))[1]
    loaded = load([path], messages=MessageColumns(assistant=(helper,)), minimum=1)
    assert loaded.records and all(r.messages[-1].role == "assistant" for r in loaded.records)
    addressed = [
        (r, m) for r in loaded.records for m in r.messages if m.role == "assistant" and re.match(r"\S+[:,] ", m.content)
    ]
    assert addressed, "an answer that names whom it answers"
