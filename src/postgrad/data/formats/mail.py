"""Mail (mbox, .eml) → one row a message: from, to, subject, date, thread, text; and `request` and `reply` where it
answers one.

The request is the message that it answers, if that is in the same mailbox, else what it quotes. Quotes and signatures
are kept out of both. Attachments are counted and left out.
"""

from __future__ import annotations

import email
import email.header
import email.message
import email.utils
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError

from postgrad.data.documents.html_text import html_to_text
from postgrad.data.formats.mail_text import MailParts, plain_subject, split_mail
from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.encodings import decode
from postgrad.data.sources.rows import Row, Rows, Some, were
from postgrad.errors import DataError

COLUMNS = ("from", "to", "subject", "date", "thread", "text", "request", "reply")
MESSAGE_LIMIT = 64 * 2**20
"""Bytes of one message, attachments and all; a longer one is left out."""
_HEADER = re.compile(
    rb"^(?:from|to|date|subject|received|return-path|message-id|mime-version|delivered-to|reply-to|content-type|x-[\w-]+|dkim-signature):",
    re.IGNORECASE,
)
_ANY_HEADER = re.compile(rb"^[!-9;-~]+:|^[ \t]")
_SURE = (b"from:", b"received:", b"return-path:", b"message-id:", b"mime-version:")


@dataclass(slots=True)
class Mail:
    """One message, read."""

    line: int
    file: str
    sender: str
    to: str
    subject: str
    date: str
    key: str
    answers: list[str]
    parts: MailParts
    attachments: int
    faults: list[str]


def mail_form(head: bytes) -> str | None:
    """`mbox` or `eml` where a file begins as such; else None."""
    lines = head.lstrip(b"\r\n").split(b"\n")
    if lines[0].startswith(b"From ") and len(lines) > 1 and _ANY_HEADER.match(lines[1]) and _known(lines[1:]) >= 2:
        return "mbox"
    return "eml" if _known(lines) >= 3 else None


def _known(lines: Sequence[bytes]) -> int:
    """How many known headers stand at the front; 0 where something else comes among them, or none that only mail
    has."""
    known, sure = 0, False
    for line in lines[:60]:
        if not line.strip():
            break
        known += bool(_HEADER.match(line))
        sure = sure or line.lower().startswith(_SURE)
    plausible = bool(lines) and bool(_ANY_HEADER.match(lines[0]))
    return known if sure and plausible else 0


def read_mail(stream: ByteStream, form: str) -> Rows:
    """Reads a mailbox or a single message.

    Raises:
        DataError: No message that can be read.
    """
    too_long = Some()
    messages = _split(stream, too_long) if form == "mbox" else _single(stream)
    mails = [read_message(raw, line, stream.file) for line, raw in messages]
    notes = [f"messages longer than {MESSAGE_LIMIT // 2**20} MB were left out ({too_long})"] if too_long.count else []
    if not mails:
        raise DataError(f"{stream.file} holds no message that can be read.", "Export the mailbox again.")
    rows, more = to_rows(mails)
    return Rows(stream.file, form, tuple(rows), COLUMNS, (*stream.notes, *notes, *more))


def to_rows(mails: Sequence[Mail]) -> tuple[list[Row], list[str]]:
    """(rows in the order of the mails, notes); threads are found among all of them."""
    by_key = {mail.key: mail for mail in mails if mail.key}
    earlier: dict[str, Mail] = {}
    rows: list[Row] = []
    pairs = 0
    threads: dict[str, str] = {}
    for mail in mails:
        subject = plain_subject(mail.subject)
        parent = next((by_key[key] for key in mail.answers if key in by_key and by_key[key] is not mail), None)
        is_reply = bool(mail.answers) or subject != mail.subject.strip().lower()
        if parent is None and is_reply and subject in earlier and earlier[subject].sender != mail.sender:
            parent = earlier[subject]
        root = mail.answers[-1] if mail.answers else mail.key
        thread = (threads.get(parent.key, parent.key) if parent else "") or threads.get(root, root) or subject
        threads[mail.key] = thread
        earlier[subject] = mail
        request = ""
        if parent is not None and parent.sender != mail.sender:
            request = parent.parts.own
        elif parent is None and is_reply:
            request = mail.parts.quoted
        paired = bool(request and mail.parts.own)
        pairs += paired
        values = (mail.sender, mail.to, mail.subject, mail.date, thread, mail.parts.own)
        reply = (request, mail.parts.own) if paired else ("", "")
        rows.append((mail.line, dict(zip(COLUMNS, (*values, *reply), strict=True))))
    return rows, _notes(mails, pairs)


def read_message(raw: bytes, line: int, file: str) -> Mail:
    """Reads one message; what is broken in it is noted, and the rest is kept."""
    message = email.message_from_bytes(raw)
    faults: list[str] = []
    texts, attachments = _bodies(message, faults)
    sent = _date(_header(message, "Date", faults), faults)
    references = _header(message, "In-Reply-To", []).split()[:1] + _header(message, "References", []).split()[::-1]
    return Mail(
        line,
        file,
        _address(_header(message, "From", faults)),
        _address(_header(message, "To", faults)),
        _header(message, "Subject", faults),
        sent,
        _header(message, "Message-ID", []).strip(),
        list(dict.fromkeys(references)),
        split_mail(texts),
        attachments,
        list(dict.fromkeys(faults)),
    )


def _split(stream: ByteStream, too_long: Some) -> Iterator[tuple[int, bytes]]:
    """(line, bytes) of each message of an mbox; it begins with `From ` after a blank line."""
    held: list[bytes] = []
    size, start, blank, rest, number = 0, 1, True, b"", 0
    for block in _with_end(stream.blocks()):
        *lines, rest = (rest + block).split(b"\n") if block else (rest, b"")
        for line in lines:
            number += 1
            if blank and line.startswith(b"From "):
                if held and size <= MESSAGE_LIMIT:
                    yield start, b"\n".join(held)
                held, size, start = [], 0, number
                continue
            blank = not line.strip()
            size += len(line) + 1
            if size > MESSAGE_LIMIT:
                if held:
                    too_long.add(start)
                held = []
                continue
            held.append(line[1:] if line.startswith((b">From ", b">>From ")) else line)
        if len(rest) > MESSAGE_LIMIT:  # a line without end belongs to a message too long
            if held:
                too_long.add(start)
            held, rest, size = [], b"", MESSAGE_LIMIT + 1
    if any(line.strip() for line in held) and size <= MESSAGE_LIMIT:
        yield start, b"\n".join(held)


def _single(stream: ByteStream) -> Iterator[tuple[int, bytes]]:
    raw = stream.peek(MESSAGE_LIMIT + 1)
    if len(raw) > MESSAGE_LIMIT:
        raise DataError(
            f"{stream.file} is a message of more than {MESSAGE_LIMIT // 2**20} MB.", "Save it without its attachments."
        )
    yield 1, raw


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield from blocks
    yield b""


def _bodies(message: email.message.Message, faults: list[str]) -> tuple[str, int]:
    """(text of the message, number of attachments): the plain part where there is one, else the HTML part as text."""
    plain: list[str] = []
    html: list[str] = []
    attachments = 0
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        attached = "attachment" in str(part.get("Content-Disposition", "")).lower() or bool(part.get_filename())
        if attached or kind not in ("text/plain", "text/html"):
            attachments += 1
        else:
            (plain if kind == "text/plain" else html).append(_text(part, faults))
    text = "\n".join(plain)
    return (text if text.strip() or not html else html_to_text("\n".join(html))), attachments


def _text(part: email.message.Message, faults: list[str]) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return raw.decode(str(part.get_content_charset() or "utf-8")).replace("\x00", "")
    except (LookupError, UnicodeDecodeError):
        faults.append("text that is not in the encoding it claims")
        return decode(raw).text.replace("\x00", "")


def _header(message: email.message.Message, name: str, faults: list[str]) -> str:
    """A header's value, decoded; broken ones as they are."""
    value = message.get(name)
    if value is None:
        if name in ("From", "Date"):
            faults.append(f"no {name} header")
        return ""
    try:
        text = str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, UnicodeError, ValueError, HeaderParseError):
        faults.append(f"a broken {name} header")
        text = str(value)
    if any("\udc80" <= c <= "\udcff" for c in text) or "\ufffd" in text:
        faults.append(f"a broken {name} header")
        text = decode(str(value).encode("utf-8", "surrogateescape")).text
    return " ".join(text.split())


def _address(text: str) -> str:
    return text[:500]


def _date(text: str, faults: list[str]) -> str:
    try:
        return email.utils.parsedate_to_datetime(text).isoformat() if text else ""
    except (ValueError, TypeError, IndexError, OverflowError):
        faults.append("a broken Date header")
        return text


def _notes(mails: Sequence[Mail], pairs: int) -> list[str]:
    notes = []
    if pairs:
        notes.append(
            f"{pairs} of {len(mails)} messages answer another: these have it as 'request' and their own text as 'reply'"
        )
    else:
        notes.append("no message answers another: there is no request with its reply to learn from")
    if attached := sum(mail.attachments for mail in mails):
        notes.append(f"{were(attached, 'attachment')} left out")
    faults = Counter(fault for mail in mails for fault in mail.faults)
    for fault, count in faults.most_common():
        first = next(mail.line for mail in mails if fault in mail.faults)
        notes.append(
            f"{count} {'message has' if count == 1 else 'messages have'} {fault} (first at line {first}); the rest of"
            " it was kept"
        )
    return notes
