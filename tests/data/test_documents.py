"""Documents: found, refused, and cut where a reader would cut."""

from __future__ import annotations

import pytest

from postgrad.data import Document, chunk_documents, load_documents
from postgrad.errors import DataError


def test_files_are_found_below_and_ordered(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.md").write_text("# B\ntext")
    (tmp_path / "a.txt").write_bytes("größe".encode("latin-1"))
    (tmp_path / "empty.md").write_text(" ")
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    assert load_documents(tmp_path) == [Document("a.txt", "größe"), Document("sub/b.md", "# B\ntext")]


def test_folders_that_cannot_serve(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        load_documents(tmp_path / "missing")
    with pytest.raises(DataError, match="nothing"):
        load_documents(tmp_path)
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(DataError, match=r"only \.pdf"):
        load_documents(tmp_path)
    with pytest.raises(DataError, match="is a file"):
        load_documents(tmp_path / "x.pdf")
    (tmp_path / "y.txt").write_bytes(b"%PDF-1.4")
    with pytest.raises(DataError, match="PDF"):
        load_documents(tmp_path)
    (tmp_path / "y.txt").write_text("")
    with pytest.raises(DataError, match="empty"):
        load_documents(tmp_path)


def test_chunks_follow_headings():
    text = "Intro.\n\n# Returns\nThirty days.\n\n## Sofas\nSixty days.\n\n```\n# no heading\n```\n# Care\nSoap."
    chunks = chunk_documents([Document("d.md", text)])
    assert [(c.heading, c.text) for c in chunks] == [
        ("", "Intro."),
        ("Returns", "Returns\nThirty days."),
        ("Returns > Sofas", "Returns > Sofas\nSixty days.\n\n```\n# no heading\n```"),
        ("Care", "Care\nSoap."),
    ]
    assert all(c.document == "d.md" for c in chunks)


def test_chunks_are_short_and_lose_no_word():
    text = "\n\n".join(
        " ".join(f"w{p}_{i}." if i % 9 == 0 else f"w{p}_{i}" for i in range(n)) for p, n in enumerate([20, 300, 5, 90])
    )
    text += "\n\n" + " ".join(["endless"] * 400)
    chunks = chunk_documents([Document("d", text)], max_words=100)
    assert max(len(c.text.split()) for c in chunks) <= 100
    assert " ".join(c.text for c in chunks).split() == text.split()
