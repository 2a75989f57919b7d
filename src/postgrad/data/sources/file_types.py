"""What a file is, by its first bytes: a spreadsheet named .csv is read as a spreadsheet, a picture is called a
picture."""

from __future__ import annotations

import codecs

PACKINGS: dict[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins; so do .xlsx and .ods."""
_TABLE = "Give a table of examples (CSV, JSONL, Parquet, Excel …)."
_UNPACK = "Unpack it and give the file inside, or the folder."
_MODEL = "A model is given with --base, not as data."
_DOCUMENT = "Documents belong to --docs, or to --objective pretrain; here give a table of examples."
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PAR1", "a Parquet file", _TABLE),
    (0, b"ARROW1", "an Arrow file", _TABLE),
    (0, b"FEA1", "a Feather file of version 1", "Write it again as Feather version 2 or Parquet."),
    (0, b"%PDF", "a PDF document", _DOCUMENT),
    (0, b"{\\rtf", "a rich text document (.rtf)", "Save it as .docx or .txt."),
    (0, b"\xd0\xcf\x11\xe0", "an old Microsoft Office file", "Save it in a current format (.xlsx, .docx)."),
    (0, b"\x1f\x8b", "a gzip archive inside another one", "Unpack it once."),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive inside another one", "Unpack it once."),
    (0, b"BZh", "a bzip2 archive inside another one", "Unpack it once."),
    (0, b"\xfd7zXZ\x00", "an xz archive inside another one", "Unpack it once."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (
        0,
        b"SQLite format 3\x00",
        "an SQLite database",
        "Name it with a query: 'sqlite:///FILE#SELECT question, answer FROM tickets'.",
    ),
    (0, b"Obj\x01", "an Avro file", "Write it as Parquet or JSONL."),
    (0, b"ORC", "an ORC file", "Write it as Parquet or JSONL."),
    (0, b"\x89HDF", "an HDF5 file", "Write it as Parquet or JSONL."),
    (0, b"\x89PNG", "a PNG image", _TABLE),
    (0, b"\xff\xd8\xff", "a JPEG image", _TABLE),
    (0, b"GIF8", "a GIF image", _TABLE),
    (0, b"\x7fELF", "a program", _TABLE),
    (0, b"MZ\x90", "a Windows program", _TABLE),
    (0, b"GGUF", "a GGUF model", _MODEL),
    (0, b"\x80\x04\x95", "a Python pickle", "A pickle can run code when it is opened: write the data as JSONL."),
    (0, b"\x93NUMPY", "a NumPy array", "Write the data as CSV, JSONL or Parquet."),
)
_ZIPPED = (
    ("word/", "a Word document (.docx)", _DOCUMENT),
    ("ppt/", "a PowerPoint file (.pptx)", "Save the text as a document, or give a table of examples."),
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)", "Save it as .xlsx."),
    ("xl/", "an Excel workbook (.xlsx)", _TABLE),
    ("content.xml", "an OpenDocument file", "Save a sheet as .ods or .xlsx, a document as .docx."),
    ("data.pkl", "a PyTorch file", _MODEL),
)
_ALLOWED_CONTROLS = frozenset(b"\t\n\r\f\x1b\x1a\x0b\x1e\x1f\x85")
_SAMPLE = 16_384


def packing(head: bytes) -> str | None:
    """`gzip`, `zstd`, `bzip2` or `xz` where the bytes begin so."""
    return next((name for magic, name in PACKINGS.items() if head.startswith(magic)), None)


def zipped_kind(names: list[str]) -> tuple[str, str] | None:
    """What a zip archive really is, by the names in it, and what to do; None for an ordinary archive."""
    return next(
        (
            (name, mend)
            for mark, name, mend in _ZIPPED
            if any(n.startswith(mark) or n.endswith("/" + mark) for n in names)
        ),
        None,
    )


def binary_kind(raw: bytes) -> tuple[str, str] | None:
    """What a binary file seems to be and what to do with it where text is wanted; None for text.

    Returns:
        ("a PNG image", "Give a table of examples …") and the like.
    """
    if raw.startswith(b"PK\x03\x04"):
        named = (mark for mark in _ZIPPED if mark[0].encode() in raw[:_SAMPLE] or mark[0].encode() in raw[-_SAMPLE:])
        found = next(named, None)
        return (found[1], found[2]) if found else ("a zip archive", _UNPACK)
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
        return "binary data of an unknown kind", _TABLE
    return None
