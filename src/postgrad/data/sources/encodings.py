"""From bytes to text, saying which encoding was found: a file from Excel, a mail program and a web page rarely agree.

UTF-8 and marked UTF-16/32 are certain; what is not UTF-8 is read as Windows-1252 (of which Latin-1 is a part) unless
the bytes clearly speak another alphabet. A file that is UTF-8 but for some lines is mended line by line.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
WINDOWS_NOTE = "read as Windows-1252 (Latin-1): the file is not UTF-8"
_SAMPLE = 65_536
_LINES_NAMED = 5
_FEWEST_LETTERS = 40
_OTHER_ALPHABETS = [
    "cp1251",
    "koi8_r",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp874",
]


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text, the name of the encoding it had, and what a user should know about that (nothing where it was plain
    UTF-8)."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


def decode(raw: bytes) -> DecodedText:
    """Decodes a file's bytes; never fails, because every byte means something in Windows-1252 or Latin-1."""
    for mark, encoding, name in _MARKS:
        if raw.startswith(mark):
            text, damaged = _decode_marked(raw[len(mark) :], encoding)
            notes = () if encoding == "utf-8" else (f"read as {name}",)
            return DecodedText(text, encoding, notes + damaged)
    unmarked = _unmarked_utf16(raw)
    if unmarked:
        text, damaged = _decode_marked(raw, unmarked)
        return DecodedText(text, unmarked, ("read as UTF-16 (the file has no byte order mark)", *damaged))
    try:
        return DecodedText(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(raw)


def mark_of(head: bytes) -> tuple[str, int, tuple[str, ...]] | None:
    """(encoding, bytes of its mark, notes) where a byte order mark or UTF-16's zeros say so for certain."""
    for mark, encoding, name in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark), () if encoding == "utf-8" else (f"read as {name}",)
    unmarked = _unmarked_utf16(head)
    return (unmarked, 0, ("read as UTF-16 (the file has no byte order mark)",)) if unmarked else None


def alphabet_of(head: bytes) -> str | None:
    """The encoding of a non-Latin alphabet in which a file that is nowhere UTF-8 seems to be written."""
    lines = head.split(b"\n")
    if any(not line.isascii() and _is_utf8(line) for line in lines) or all(map(_is_utf8, lines[:-1])):
        return None
    return _other_alphabet(head)


def decode_line(line: bytes) -> tuple[str, bool]:
    """(text, whether it was UTF-8); else it is read as Windows-1252."""
    try:
        return line.decode("utf-8"), True
    except UnicodeDecodeError:
        return _windows(line), False


def mixture_note(bad: list[int], count: int) -> str:
    """What is said where some lines are not UTF-8: `bad` names the first of them, `count` is how many there are."""
    named = ", ".join(map(str, bad[:_LINES_NAMED])) + (", …" if count > _LINES_NAMED else "")
    which = f"line {named} is" if count == 1 else f"{count} lines ({named}) are"
    return f"mixed encodings: {which} not UTF-8 and read as Windows-1252 (Latin-1)"


def _decode_marked(raw: bytes, encoding: str) -> tuple[str, tuple[str, ...]]:
    if encoding == "utf-8":
        inner = (
            decode(raw) if not raw.startswith(codecs.BOM_UTF8) else DecodedText(raw.decode("utf-8", "replace"), "utf-8")
        )
        return inner.text, inner.notes
    text = raw.decode(encoding, "replace")
    damaged = text.count("\ufffd")
    return text, (f"{damaged} damaged characters were replaced by \ufffd",) if damaged else ()


def _unmarked_utf16(raw: bytes) -> str | None:
    """UTF-16 without a mark shows as zero bytes in nearly every second place."""
    sample = raw[: _SAMPLE // 2 * 2]
    half = len(sample) // 2
    if half < 4:
        return None
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[start::2].count(0) > 0.7 * half and sample[1 - start :: 2].count(0) < 0.05 * half:
            return encoding
    return None


def _decode_legacy(raw: bytes) -> DecodedText:
    """Bytes that are not UTF-8 as a whole: another encoding, or a mixture."""
    lines = raw.split(b"\n")
    good, bad = 0, []
    for number, line in enumerate(lines, start=1):
        if line.isascii():
            continue
        if _is_utf8(line):
            good += 1
        else:
            bad.append(number)
    if good:
        wrong = set(bad)
        text = "\n".join(
            _windows(line) if number in wrong else line.decode("utf-8") for number, line in enumerate(lines, start=1)
        )
        return DecodedText(text, "mixed", (mixture_note(bad, len(bad)),))
    other = _other_alphabet(raw)
    if other:
        return DecodedText(raw.decode(other, "replace"), other, (f"read as {other}, guessed from its bytes",))
    return DecodedText(_windows(raw), "cp1252", (WINDOWS_NOTE,))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _windows(raw: bytes) -> str:
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _other_alphabet(raw: bytes) -> str | None:
    """An encoding of a non-Latin alphabet, where so many bytes are beyond ASCII that Windows-1252 makes no sense."""
    sample = raw[:_SAMPLE]
    letters = sum(byte >= 0x80 for byte in sample)
    if letters < max(_FEWEST_LETTERS, 0.25 * len(sample)):
        return None
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_OTHER_ALPHABETS).best()
    return best.encoding if best is not None else None
