"""Raw text of folders: documents, and folders of programs."""

from __future__ import annotations

import pytest

from postgrad.data import read_rows
from postgrad.data.documents.raw_texts import load_texts, read_texts
from postgrad.errors import DataError


def write(folder, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


PROGRAM = {
    "README.md": "# A program",
    "src/a.py": "def a():\n    return 1\n",
    "src/b.py": "def b():\n    return 2\n",
    "Makefile": "all:\n\ttrue\n",
    "src/empty.py": "",
    "node_modules/x/index.js": "module.exports = 1",
    ".git/config": "[core]",
    "app.min.js": "var a=1",
    "data.csv": "a,b\n1,2\n",
    "logo.bin": bytes(range(256)),
}


def test_every_text_of_a_folder_of_programs(tmp_path):
    write(tmp_path, PROGRAM)
    read = read_texts([tmp_path])
    assert {t.source.file.removeprefix(f"{tmp_path}/") for t in read.texts} == {
        "README.md",
        "src/a.py",
        "src/b.py",
        "Makefile",
    }
    assert "def a():\n    return 1\n" in [t.text for t in read.texts], "as it stands"
    assert "left out" in read.notes[0] and ".csv" in read.notes[0]


def test_patterns_choose(tmp_path):
    write(tmp_path, PROGRAM)
    assert len(load_texts([tmp_path], ["src/a*", "*.md"])) == 2
    with pytest.raises(DataError, match=r"like '\*\.rs'"):
        load_texts([tmp_path], ["*.rs"])


def test_of_a_folder_of_documents_only_these(tmp_path):
    write(tmp_path, {"one.txt": "One.", "two.md": "Two.", "LICENSE": "Free."})
    assert [t.text for t in load_texts([tmp_path])] == ["One.", "Two."]


def test_a_program_alone(tmp_path):
    write(tmp_path, {"a.py": "print(1)\n"})
    assert [t.text for t in load_texts([tmp_path / "a.py"])] == ["print(1)\n"]


def test_pictures_are_said_to_be_none_of_our_business(tmp_path):
    write(tmp_path, {"img/a.jpg": b"\xff\xd8\xff", "box/a.csv": "72,25,326,25\n1,2,3,4\n"})
    with pytest.raises(DataError, match=r"holds 1 pictures.*pictures are not trained on yet"):
        read_rows(tmp_path)
