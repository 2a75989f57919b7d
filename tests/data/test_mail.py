"""Mail: requests and replies as columns, quotes and signatures apart, and what a broken header does."""

from __future__ import annotations

import pytest

from postgrad.data import load, read_rows
from postgrad.data.formats.mail_text import MailParts, plain_subject, split_mail
from postgrad.errors import DataError

ASKED = b"""From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>
To: help@shop.example
Subject: Broken chair
Date: Mon, 01 Jan 2024 10:00:00 +0100
Message-ID: <1@example.org>
Content-Type: text/plain; charset=iso-8859-1

The chair is broken, sch\xf6n is it not.

--\x20
Zoe
"""
ANSWERED = b"""From: help@shop.example
To: zoe@example.org
Subject: Re: Broken chair
Date: Mon, 01 Jan 2024 11:00:00 +0100
Message-ID: <2@shop.example>
In-Reply-To: <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: text/html; charset=utf-8

<p>Dear Zoe,</p><p>a <b>new</b> one comes.</p><blockquote>The chair is broken</blockquote>
--x
Content-Type: image/png; name="label.png"
Content-Disposition: attachment; filename="label.png"
Content-Transfer-Encoding: base64

AAAA
--x--
"""
QUOTING = b"""From: help@shop.example
Subject: AW: Where is it?
Date: Mon, 01 Jan 2024 12:00:00 +0100
Message-ID: <3@shop.example>
In-Reply-To: <lost@example.org>

Tomorrow.

On Mon, 1 Jan 2024 at 11:30, Carl
<carl@example.org> wrote:
> Where is
> it?
"""
BROKEN = b"""From: bob <bob@example.org
Subject: =?no-such-charset?q?x=FF?=
Date: yesterday
Received: x
Content-Type: text/plain; charset=no-such-charset

gr\xfc\xdfe
"""


def mbox(*messages: bytes) -> bytes:
    return b"".join(b"From someone@example.org Mon Jan  1 10:00:00 2024\n" + m + b"\n" for m in messages)


def test_a_mailbox_becomes_requests_and_replies(tmp_path):
    raw = mbox(ASKED, ANSWERED, QUOTING)
    starts = [n for n, line in enumerate(raw.split(b"\n"), 1) if line.startswith(b"From someone")]
    (tmp_path / "x").write_bytes(raw)
    rows = read_rows(tmp_path / "x")
    first, second, third = (values for _, values in rows)
    assert rows.format == "mbox" and [line for line, _ in rows] == starts
    assert first["from"] == "Zoë <zoe@example.org>" and first["date"] == "2024-01-01T10:00:00+01:00"
    assert first["text"] == "The chair is broken, schön is it not." and first["request"] == first["reply"] == ""
    assert second["request"] == first["text"] and second["reply"] == "Dear Zoe,\n\na new one comes."
    assert second["thread"] == first["thread"] != third["thread"]
    assert (third["request"], third["reply"]) == ("Where is\nit?", "Tomorrow.")
    assert rows.notes[0].startswith("2 of 3 messages answer another")
    assert "1 attachment was left out" in rows.notes


def test_a_folder_of_messages_and_a_single_one(tmp_path):
    folder = tmp_path / "mails"
    folder.mkdir()
    (folder / "b.eml").write_bytes(ASKED)
    (folder / "a.eml").write_bytes(ANSWERED)
    rows = read_rows(folder)
    assert [(values["file"], bool(values["reply"])) for _, values in rows] == [("b.eml", False), ("a.eml", True)]
    assert read_rows(folder / "b.eml").format == "eml"


def test_broken_headers_survive_with_a_note(tmp_path):
    (tmp_path / "x.mbox").write_bytes(mbox(ASKED, BROKEN))
    rows = read_rows(tmp_path / "x.mbox")
    assert rows.rows[1][1]["text"] == "grüße" and rows.rows[1][1]["date"] == "yesterday"
    said = " ".join(rows.notes)
    assert all(
        word in said for word in ("broken Subject header", "broken Date header", "not in the encoding it claims")
    )
    assert "first at line 14" in said


def test_a_message_without_end_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("postgrad.data.formats.mail.MESSAGE_LIMIT", 10_000)
    (tmp_path / "x.mbox").write_bytes(mbox(ASKED, ASKED + b"x" * 20_000 + b"\n", ASKED + b"y\n" * 20_000, QUOTING))
    rows = read_rows(tmp_path / "x.mbox")
    assert len(rows) == 2 and "(lines 1" in rows.notes[0]
    (tmp_path / "x.eml").write_bytes(ASKED + b"x" * 20_000)
    with pytest.raises(DataError, match="a message of more than"):
        read_rows(tmp_path / "x.eml")


def test_pairs_are_what_is_learned(tmp_path):
    pairs = [
        m.replace(b"1@example", b"%d@example" % i)
        .replace(b"2@shop", b"%d@shop" % (i + 100))
        .replace(b"broken", b"broken %d" % i)
        for i in range(12)
        for m in (ASKED, ANSWERED)
    ]
    (tmp_path / "x.mbox").write_bytes(mbox(*pairs))
    loaded = load([tmp_path / "x.mbox"])
    answered = [r for r in loaded.records if r.answer_text]
    assert len(answered) == 12
    assert answered[3].prompt_text == "The chair is broken 3, schön is it not."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Yes.\n\n-- \nAnn", MailParts("Yes.", "", "Ann")),
        ("Yes.\n\nAm 1. Januar 2024 um 10:00 schrieb Bo <b@x.de>:\n> Kommt es?", MailParts("Yes.", "Kommt es?", "")),
        ("> One?\nYes.\n> Two?\nNo.", MailParts("Yes.\nNo.", "One?\nTwo?", "")),
        (
            "Yes.\n\n-----Original Message-----\nFrom: Bo\nSent: Monday\nTo: Ann\nSubject: It\n\nIs it?",
            MailParts("Yes.", "Is it?", ""),
        ),
        ("Yes.\n\nVon: Bo\nGesendet: Montag\nAn: Ann\nBetreff: Es\n\nIst es?", MailParts("Yes.", "Ist es?", "")),
        ("Yes.\n\nSent from my phone", MailParts("Yes.", "", "Sent from my phone")),
        ("From: the top\nit is fine", MailParts("From: the top\nit is fine", "", "")),
        ("On Monday I wrote to you.", MailParts("On Monday I wrote to you.", "", "")),
    ],
)
def test_the_parts_of_a_mail(text, parts):
    assert split_mail(text) == parts


def test_subjects_without_their_fronts():
    assert plain_subject("Re: AW: [Ticket 5] Fwd: It Broke") == "it broke"
    assert plain_subject("Regarding it") == "regarding it"
