"""Mutated files of every format that is read: each is read, or refused with one clear error, within time and memory.

    python bench/fuzz_readers.py [--count 100000] [--seed 0] [--only csv,pdf]

Seeds are made here. Inputs are spread over two processes with 4 GB of memory each; one input may take ten seconds. What
is not read and not refused is printed with the seed that makes it again, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import bz2
import contextlib
import gzip
import io
import json
import lzma
import multiprocessing
import random
import resource
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

from postgrad.errors import PostgradError

SECONDS, MEMORY = 10, 4 << 30
ROWS = [
    {"text": f'Where is order {i}? Ünïcode, "quotes"\nand lines', "label": ["late", "lost"][i % 2], "n": i}
    for i in range(8)
]
DOCUMENTS = ("docx", "pdf", "html", "md", "txt document")


def _csv(separator: str = ",") -> bytes:
    import csv

    out = io.StringIO()
    writer = csv.DictWriter(out, ["text", "label", "n"], delimiter=separator)
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue().encode()


def _jsonl() -> bytes:
    return "\n".join(json.dumps(row) for row in ROWS).encode()


def _zip(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def _columns(form: str) -> bytes:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    table, out = pa.Table.from_pylist(ROWS), io.BytesIO()
    if form == "parquet":
        pyarrow.parquet.write_table(table, out)
    elif form == "feather":
        pyarrow.feather.write_feather(table, out)
    else:
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    return out.getvalue()


def _zst() -> bytes:
    import pyarrow as pa

    return pa.Codec("zstd").compress(_jsonl(), asbytes=True)


def _xlsx() -> bytes:
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in [list(ROWS[0]), *(list(r.values()) for r in ROWS)]:
        sheet.append(row)
    book.save(out)
    return out.getvalue()


def _xls() -> bytes:
    import xlwt  # pyright: ignore[reportMissingTypeStubs]

    book, out = xlwt.Workbook(), io.BytesIO()
    sheet = book.add_sheet("a")
    for y, row in enumerate([list(ROWS[0]), *(list(r.values()) for r in ROWS)]):
        for x, value in enumerate(row):
            sheet.write(y, x, value)
    book.save(out)
    return out.getvalue()


def _docx() -> bytes:
    from docx import Document

    document, out = Document(), io.BytesIO()
    document.add_heading("Returns", 1)
    document.add_paragraph("Within 30 days.")
    table = document.add_table(2, 2)
    table.cell(0, 0).text = "a"
    document.save(out)
    return out.getvalue()


def _pdf() -> bytes:
    text = b"BT /F1 12 Tf 50 700 Td (Returns within 30 days) Tj ET"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for n, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (n, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(out),
    )


def _mail(many: bool = False) -> bytes:
    mails = []
    for n in range(3):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = f"a{n}@example.org", "shop@example.org", f"Order {n} für mich"
        mail["Message-ID"], mail["Date"] = f"<{n}@example.org>", "Mon, 02 Mar 2026 10:00:00 +0100"
        if n:
            mail["In-Reply-To"] = f"<{n - 1}@example.org>"
        mail.set_content(f"Where is order {n}?\n> quoted\n")
        mails.append(mail.as_bytes())
    return b"".join(b"From a@example.org Mon Mar  2 10:00:00 2026\n" + m + b"\n" for m in mails) if many else mails[0]


def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("create table rows (text, label, n)")
            db.executemany("insert into rows values (:text, :label, :n)", ROWS)
            db.commit()
        return path.read_bytes()


TURN = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'
PAGE = b"<html><body><h1>Returns</h1><p>Within <b>30</b> days.<table><tr><td>a</td></tr></table></body></html>"
SEEDS: dict[str, Callable[[], bytes]] = {
    "csv": _csv,
    "tsv": lambda: _csv("\t"),
    "utf16.csv": lambda: _csv().decode().encode("utf-16"),
    "json": lambda: json.dumps(ROWS).encode(),
    "jsonl": _jsonl,
    "chat.jsonl": lambda: (TURN * 4).encode(),
    "jsonl.gz": lambda: gzip.compress(_jsonl()),
    "csv.bz2": lambda: bz2.compress(_csv()),
    "jsonl.xz": lambda: lzma.compress(_jsonl()),
    "jsonl.zst": _zst,
    "zip": lambda: _zip("a.jsonl", _jsonl()),
    "csv.zip": lambda: _zip("a.csv", _csv()),
    "parquet": lambda: _columns("parquet"),
    "arrow": lambda: _columns("arrow"),
    "feather": lambda: _columns("feather"),
    "xlsx": _xlsx,
    "xls": _xls,
    "eml": _mail,
    "mbox": lambda: _mail(many=True),
    "txt": lambda: b"[01/02/2026, 10:00] Ann: hi\n[01/02/2026, 10:01] Bob: ho\n" * 4,
    "db": _sqlite,
    "docx": _docx,
    "pdf": _pdf,
    "html": lambda: PAGE,
    "md": lambda: b"# Returns\n\nWithin 30 days.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
}


def mutated(seed: bytes, draw: random.Random) -> bytes:
    """The seed with one to eight faults: bits, bytes, numbers, cuts, repeats, and parts moved elsewhere."""
    out = bytearray(seed)
    for _ in range(draw.choice([1, 1, 2, 4, 8])):
        if not out:
            break
        place, kind = draw.randrange(len(out)), draw.randrange(8)
        size = min(len(out) - place, draw.choice([1, 2, 4, 8, 64, 512]))
        if kind == 0:
            out[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            out[place : place + size] = draw.randbytes(size)
        elif kind == 2:
            del out[place:]
        elif kind == 3:
            del out[place : place + size]
        elif kind == 4:
            out[place:place] = out[place : place + size] * draw.choice([1, 2, 50])
        elif kind == 5:
            out[place : place + size] = draw.choice([b"\0", b"\xff", b"\x7f"]) * size
        elif kind == 6:
            other = draw.randrange(len(out))
            out[place : place + size] = out[other : other + size]
        else:
            out[place:place] = draw.choice(
                [b'"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"[" * 500, b"{" * 3000, b"\r", b"1e999", b"\xed\xa0\x80"]
            )
    return bytes(out)


def read(name: str, content: bytes, folder: Path) -> None:
    """Reads the content as a file of that name would be."""
    from postgrad.data.documents.document_files import read_document
    from postgrad.data.sources.open_source import read_all, stream_rows

    path = folder / f"fuzzed.{name}"
    path.write_bytes(content)
    if name in DOCUMENTS:
        read_document(path)
    elif name == "db":
        read_all(f"sqlite:///{path}#select * from rows")  # noqa: S608 - our own path
    else:
        read_all(path)
        for _ in stream_rows(path, 3):
            pass


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} seconds")


def work(job: tuple[list[str], int, int, int]) -> tuple[Counter[str], list[str], float]:
    """A part of the inputs; gives counts, what was neither read nor refused, and the longest time."""
    names, seed, begin, end = job
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_long)
    seeds, counts, faults, longest = {name: SEEDS[name]() for name in names}, Counter[str](), [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(begin, end):
            name, draw = names[number % len(names)], random.Random(f"{seed} {number}")
            content, start = mutated(seeds[name], draw), time.monotonic()
            signal.alarm(SECONDS)
            try:
                read(name, content, Path(folder))
                counts["read"] += 1
            except PostgradError as error:
                late = isinstance(error.__cause__, TimeoutError)
                counts["too long" if late else "refused"] += 1
                faults += [f"{name} {number}: too long"] if late else []
            except BaseException as error:  # noqa: BLE001 - that is what is looked for
                counts["fault"] += 1
                last = traceback.extract_tb(error.__traceback__)[-1]
                faults.append(f"{name} {number}: {type(error).__name__} at {last.filename}:{last.lineno}")
            signal.alarm(0)
            longest = max(longest, time.monotonic() - start)
    return counts, faults, longest


def fuzz(count: int, seed: int = 0, names: list[str] | None = None, processes: int = 2) -> Iterator[tuple[int, tuple]]:
    """Parts of the result as they come: (inputs done, (counts, faults, longest))."""
    names, size = names or list(SEEDS), 500
    jobs = [(names, seed, begin, min(count, begin + size)) for begin in range(0, count, size)]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=20) as pool:
        for job, result in zip(jobs, pool.imap(work, jobs), strict=True):
            yield job[3], result


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--count", type=int, default=100_000)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", type=lambda text: text.split(","), default=None)
    given, total, faults, longest = asked.parse_args(), Counter[str](), [], 0.0
    for done, (counts, found, most) in fuzz(given.count, given.seed, given.only):
        total, faults, longest = total + counts, faults + found, max(longest, most)
        print(f"\r{done:,} of {given.count:,}: {dict(total)}, longest {longest:.1f} s", end="", flush=True)
        for fault in found:
            print(f"\n  {fault}")
    print()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
