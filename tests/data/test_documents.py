"""Documents: found, refused, and cut where a reader would cut."""

from __future__ import annotations

import pytest

from postgrad.data import Document, chunk_documents, load_documents, read_documents
from postgrad.data.documents.document_files import word_text
from postgrad.data.documents.html_text import html_to_text
from postgrad.data.documents.raw_texts import load_texts
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
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"only \.png"):
        load_documents(tmp_path)
    with pytest.raises(DataError, match="is a file"):
        load_documents(tmp_path / "x.png")
    (tmp_path / "y.txt").write_bytes(b"%PDF-1.4")
    with pytest.raises(DataError, match="PDF that cannot be read"):
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


def test_chunks_are_bounded_in_any_script_and_without_spaces():
    for text in (
        "沙发很大。" * 900,
        "x" * 20_000,
        "https://example.org/" + "a/" * 9000,
        "# " + "heading " * 4000 + "\nbody",
    ):
        chunks = chunk_documents([Document("d", text)], max_words=100)
        assert max(len(c.text) for c in chunks) <= 24 * 100 + 201, text[:9]
        if not text.startswith("#"):
            assert "".join("".join(c.text.split()) for c in chunks) == text


def test_the_rows_of_a_table_stay_whole():
    rows = [f"| item {i} | costs {i} euros | in the north |" for i in range(60)]
    chunks = chunk_documents([Document("d", "# Prices\n" + "\n".join(rows))], max_words=50)
    shown = [line for c in chunks for line in c.text.split("\n") if line.startswith("|")]
    assert shown == rows and len(chunks) > 5 and all(c.text.startswith("Prices\n| item") for c in chunks)


def test_chunks_are_short_and_lose_no_word():
    text = "\n\n".join(
        " ".join(f"w{p}_{i}." if i % 9 == 0 else f"w{p}_{i}" for i in range(n)) for p, n in enumerate([20, 300, 5, 90])
    )
    text += "\n\n" + " ".join(["endless"] * 400)
    chunks = chunk_documents([Document("d", text)], max_words=100)
    assert max(len(c.text.split()) for c in chunks) <= 100
    assert " ".join(c.text for c in chunks).split() == text.split()


def pdf(path, text="", password=""):
    """A PDF of one page, with a line of text or none."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(300, 300)
    if text:
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        names = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        font = DictionaryObject({NameObject(k): NameObject(v) for k, v in names.items()})
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if password:
        writer.encrypt(password)
    writer.write(path)


def word(path):
    import docx

    document = docx.Document()
    document.add_heading("Returns", 1)
    document.add_paragraph("Thirty days.")
    document.add_paragraph("unworn", style="List Bullet")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "sofa", "60 days"
    document.save(str(path))


def test_word_pdf_and_html_become_text_whatever_their_names(tmp_path):
    pdf(tmp_path / "a.pdf", "Thirty days.")
    word(tmp_path / "b.docx")
    (tmp_path / "c.txt").write_text("<!DOCTYPE html><html><body><h1>Care</h1><p>Soap &amp; water.</p></body></html>")
    (tmp_path / "~$b.docx").write_bytes(b"lock")
    assert {d.name: d.text for d in load_documents(tmp_path)} == {
        "a.pdf": "Thirty days.",
        "b.docx": "# Returns\n\nThirty days.\n\n- unworn\n\nsofa | 60 days",
        "c.txt": "# Care\n\nSoap & water.",
    }
    headings = [c.heading for c in chunk_documents(load_documents(tmp_path))]
    assert headings == ["", "Returns", "Care"]
    assert len(load_texts([tmp_path / "a.pdf", tmp_path / "b.docx"])) == 2


def test_what_is_left_out_is_said(tmp_path):
    pdf(tmp_path / "scan.pdf")
    with pytest.raises(DataError, match="scanned"):
        read_documents(tmp_path)
    with pytest.raises(DataError, match="no text"):
        load_texts([tmp_path / "scan.pdf"])
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "b.md").write_text("")
    (tmp_path / "c.xyz").write_text("x")
    notes = read_documents(tmp_path).notes
    assert [note.rpartition(": ")[2] for note in notes] == ["scan.pdf", "b.md", "c.xyz"]
    assert "ocrmypdf" in notes[0]


def test_locked_and_damaged_documents_are_refused_together(tmp_path):
    pdf(tmp_path / "locked.pdf", "x", password="secret")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    word(tmp_path / "cut.docx")
    (tmp_path / "cut.docx").write_bytes((tmp_path / "cut.docx").read_bytes()[:2000])
    with pytest.raises(DataError) as caught:
        load_documents(tmp_path)
    assert "locked.pdf' is locked with a password" in caught.value.message
    assert "broken.pdf' is a PDF that cannot be read" in caught.value.message
    assert "cut.docx' is a Word document that cannot be read" in caught.value.message


def test_a_word_document_made_to_fill_the_memory(tmp_path, monkeypatch):
    word(tmp_path / "b.docx")
    monkeypatch.setattr(
        "postgrad.data.documents.document_files.SIZE_LIMIT", 20_000 + (tmp_path / "b.docx").stat().st_size
    )
    with pytest.raises(DataError, match="larger than"):
        word_text(tmp_path / "b.docx")  # here, not apart


def test_html_keeps_what_a_reader_sees():
    html = (
        "<html><head><title>T</title><style>p{}</style></head><body><script>no()</script><p hidden>no</p>"
        "<p>a\n  b<br>c</p><ul><li>x<li>y</ul><table><tr><td>1</td><td>2</td></tr></table>"
        "<blockquote><p>q</p></blockquote><pre>k  k</pre>"
    )
    assert html_to_text(html).split("\n") == ["a b", "c", "", "- x", "- y", "", "1 | 2", "", "> q", "", "k  k"]


AROUND = (
    '<div id="cookie-banner" class="cookie-consent"><p>We use cookies to improve your visit.</p></div><header><nav><ul>'
    '<li><a href="/">Home</a></li><li><a href="/shop">Our shop</a></li></ul></nav></header>',
    '<aside class="sidebar"><h3>Related articles</h3><a href="/x">Care of leather</a></aside><footer><p>© Oak Ltd. '
    '<a href="/privacy">Privacy policy</a></p></footer>',
)
RETURNS = (
    "<h1>Returns</h1><p>You can return any item within thirty days of delivery, if it is unused and in its box.</p>"
    "<h2>Sofas</h2><p>Sofas may be returned within sixty days. We collect them from your home.</p><ul><li>Keep the "
    "receipt</li><li>Do not wash the cover</li></ul><table><tr><th>Item</th><th>Days</th></tr><tr><td>Chair</td>"
    "<td>30</td></tr></table><p>Run this before you call us, and read us the number that it shows you:</p>"
    "<pre>oak --version\n  --short</pre>"
)
FAQ = "<h1>Questions</h1>" + "".join(
    f"<h2>How do I do thing {i}?</h2><p>Press button {i} and wait until the light is green.</p>" for i in range(8)
)


@pytest.mark.parametrize("main", [RETURNS, FAQ], ids=["article", "questions"])
@pytest.mark.parametrize("frame", ["<main>{}</main>", '<div class="content">{}</div>'])
def test_a_web_page_gives_its_main_part_as_it_was_and_nothing_around_it(tmp_path, main, frame):
    page = f"<!doctype html><html><body>{AROUND[0]}{frame.format(main)}{AROUND[1]}</body></html>"
    (tmp_path / "page.html").write_text(page)
    read = read_documents(tmp_path)
    lines = [line.strip() for line in read.documents[0].text.split("\n") if line.strip()]
    assert lines == [line.strip() for line in html_to_text(main).split("\n") if line.strip()]
    assert not read.notes
    assert "cookies" in html_to_text(page) and "Privacy" in html_to_text(page)


def test_a_page_without_a_main_part_is_taken_whole_and_that_is_said(tmp_path):
    page = "<html><body>{}<h1>Hours</h1><p>We open at nine.</p><ul><li>Closed on Sunday</li></ul>{}</body></html>"
    (tmp_path / "hours.html").write_text(page.format(*AROUND))
    read = read_documents(tmp_path)
    assert "# Hours" in read.documents[0].text and "- Closed on Sunday" in read.documents[0].text
    assert read.notes == (
        "1 web page taken whole, with navigation and footer, because no main part was found: hours.html",
    )
