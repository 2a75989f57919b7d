"""What a file is, by its first bytes: so that a spreadsheet named .csv is called a spreadsheet, not a broken table."""

from __future__ import annotations

import codecs

_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PAR1", "a Parquet file", "Export it as CSV or JSONL."),
    (0, b"ARROW1", "an Arrow file", "Export it as CSV or JSONL."),
    (0, b"%PDF", "a PDF document", "Give a table of examples (CSV or JSONL); documents belong to --docs."),
    (
        0,
        b"\xd0\xcf\x11\xe0",
        "an old Microsoft Office file (.xls or .doc)",
        "Save the sheet as CSV UTF-8 and give that.",
    ),
    (0, b"\x1f\x8b", "a gzip archive inside another one", "Unpack it once."),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it (zstd -d) or pack it with gzip."),
    (0, b"BZh", "a bzip2 archive", "Unpack it (bunzip2) or pack it with gzip."),
    (0, b"\xfd7zXZ\x00", "an xz archive", "Unpack it (unxz) or pack it with gzip."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it and give the file inside."),
    (0, b"Rar!", "a RAR archive", "Unpack it and give the file inside."),
    (257, b"ustar", "a tar archive", "Unpack it and give the file inside."),
    (0, b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV."),
    (0, b"\x89PNG", "a PNG image", "Give a table of examples (CSV or JSONL)."),
    (0, b"\xff\xd8\xff", "a JPEG image", "Give a table of examples (CSV or JSONL)."),
    (0, b"GIF8", "a GIF image", "Give a table of examples (CSV or JSONL)."),
    (0, b"\x7fELF", "a program", "Give a table of examples (CSV or JSONL)."),
    (0, b"MZ\x90", "a Windows program", "Give a table of examples (CSV or JSONL)."),
    (0, b"GGUF", "a GGUF model", "A model is given with --base, not as data."),
    (0, b"\x80\x04\x95", "a Python pickle", "Export the data as JSONL."),
    (0, b"\x93NUMPY", "a NumPy array", "Export the data as CSV or JSONL."),
)
_ZIPPED = (
    (b"xl/", "an Excel workbook (.xlsx)", "Save the sheet as CSV UTF-8 and give that."),
    (b"word/", "a Word document (.docx)", "Give a table of examples (CSV or JSONL); documents belong to --docs."),
    (b"ppt/", "a PowerPoint file (.pptx)", "Give a table of examples (CSV or JSONL)."),
    (b"opendocument.spreadsheet", "an OpenDocument sheet (.ods)", "Save the sheet as CSV UTF-8 and give that."),
    (b"data.pkl", "a PyTorch file", "A model is given with --base, not as data."),
)
_ALLOWED_CONTROLS = frozenset(b"\t\n\r\f\x1b\x1a\x0b\x1e\x1f\x85")
_SAMPLE = 16_384


def binary_kind(raw: bytes) -> tuple[str, str] | None:
    """What a binary file seems to be and what to do with it; None for text.

    Returns:
        ("an Excel workbook (.xlsx)", "Save the sheet as CSV UTF-8 and give that.") and the like.
    """
    if raw.startswith(b"PK\x03\x04"):
        for mark, name, mend in _ZIPPED:
            if mark in raw[:_SAMPLE] or mark in raw[-_SAMPLE:]:
                return name, mend
        return "a zip archive", "Unpack it and give the file inside."
    for offset, magic, name, mend in _MAGIC:
        if raw[offset : offset + len(magic)] == magic:
            return name, mend
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)):
        return None
    sample = raw[:_SAMPLE]
    zeros = sample.count(0)
    if zeros and max(sample[0::2].count(0), sample[1::2].count(0)) > 0.35 * len(sample) and zeros < 0.55 * len(sample):
        return None  # UTF-16 without a mark
    controls = sum(byte < 32 and byte not in _ALLOWED_CONTROLS for byte in sample)
    if controls > 0.02 * len(sample):
        return "binary data of an unknown kind", "Give a table of examples as CSV, TSV, JSON or JSONL text."
    return None
