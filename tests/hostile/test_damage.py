"""Nothing damaged is believed, and what can be mended is: blobs, their copies, manifests, the catalogue's file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time

import pytest

from postgrad.blobs import Blobs, _verified
from postgrad.cli import main
from postgrad.errors import StorageError
from postgrad.registry import Catalogue, backups
from tests.registry.test_catalogue import add

DAMAGES = {
    "cut": lambda b: b[: len(b) // 2],
    "empty": lambda b: b"",
    "changed": lambda b: bytes([b[0] ^ 1]) + b[1:],
}


def stored(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 64)
    (folder / "config.json").write_text("{}")
    blobs = Blobs()
    return blobs, folder, blobs.put_folder(folder)


def file_of(home, digest):
    return next((home / "blobs").rglob(digest.removeprefix("sha256:")))


@pytest.mark.parametrize("how", DAMAGES)
def test_putting_the_same_bytes_heals(own_home, how):
    blobs = Blobs()
    digest = blobs.put_bytes(b"weights" * 100)
    path = file_of(own_home, digest)
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    assert blobs.state(digest) == "damaged"
    with pytest.raises(StorageError, match="is damaged"):
        blobs.get_bytes(digest)
    assert blobs.put_bytes(b"weights" * 100) == digest and blobs.get_bytes(digest) == b"weights" * 100


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_copy_is_seen_by_the_next_process_and_made_anew(tmp_path, own_home, how, caplog):
    blobs, _, digest = stored(tmp_path)
    copy = blobs.get_folder(digest) / "weights.bin"
    whole = copy.read_bytes()
    copy.write_bytes(DAMAGES[how](whole))
    _verified.clear()  # as in a new process
    assert (blobs.get_folder(digest) / "weights.bin").read_bytes() == whole
    assert "is damaged; it is made anew" in caplog.text


def test_a_manifest_writes_nothing_outside_of_its_folder(tmp_path, own_home):
    blobs = Blobs()
    content = blobs.put_bytes(b"x")
    for name in ("../../escaped", "/tmp/escaped", "a/../../../escaped", "..\\escaped", ""):
        digest = blobs.put_bytes(json.dumps({"files": {name: content}}).encode())
        with pytest.raises(StorageError, match="outside of it"):
            blobs.get_folder(digest)
    assert not list(own_home.rglob("escaped")) and not (tmp_path / "escaped").exists()
    for odd in (b"[]", b"{}", b"no json", b'{"files": 3}'):
        with pytest.raises(StorageError, match="holds no folder"):
            blobs.get_folder(blobs.put_bytes(odd))
    with pytest.raises(StorageError, match="no name of a blob"):
        blobs.get_bytes("sha256:../../catalogue.db")


def test_verify_finds_and_repairs(tmp_path, own_home, capsys):
    blobs, _, digest = stored(tmp_path)
    add(Catalogue(), blob=digest)
    assert main(["models", "verify"]) == 0
    blobs.get_folder(digest)
    weights = file_of(own_home, blobs.files_of(digest)["weights.bin"])
    weights.write_bytes(b"rotten")
    assert main(["models", "verify"]) == 1 and "weights.bin is damaged" in capsys.readouterr().out
    assert main(["models", "verify", "--repair"]) == 0 and "weights.bin is repaired" in capsys.readouterr().out
    file_of(own_home, digest).unlink()
    assert main(["models", "verify", "--repair", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faults"] == [
        {"model": "tickets@1", "file": "(list of files)", "state": "repaired"}
    ]
    weights.unlink()
    (blobs.cached(digest) / "weights.bin").write_bytes(b"rotten too")
    assert main(["models", "verify", "--repair"]) == 1 and "is missing" in capsys.readouterr().out


def middle(path):
    with path.open("rb+") as file:
        file.seek(100)
        file.write(os.urandom(path.stat().st_size - 200))


CATALOGUES = {
    "empty": lambda p: p.write_bytes(b""),
    "garbage": lambda p: p.write_bytes(os.urandom(9000)),
    "header": lambda p: p.write_bytes(b"SQLite format 4\0" + p.read_bytes()[16:]),
    "cut": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 3]),
    "middle": middle,
}


def settled(home):
    """A catalogue with a model, all in its one file, and a copy of it."""
    catalogue = Catalogue()
    add(catalogue, details={"score": 0.5, "metric": "label"})
    Blobs().put_bytes(b"x")
    catalogue.engine.dispose()
    path = home / "catalogue.db"
    with sqlite3.connect(path) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    for beside in ("-wal", "-shm"):
        (home / f"catalogue.db{beside}").unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("how", CATALOGUES)
def test_a_damaged_catalogue_is_said_and_restored(own_home, how, capsys):
    path = settled(own_home)
    copy = backups.back_up(path)
    CATALOGUES[how](path)
    assert main(["models", "list"]) == 2
    said = capsys.readouterr().err
    assert "is damaged" in said and "postgrad restore" in said and copy.name in said and "Traceback" not in said
    assert main(["restore"]) == 0 and copy.name in capsys.readouterr().out
    assert main(["models", "list"]) == 0 and "tickets@1" in capsys.readouterr().out
    assert len(list(own_home.glob("catalogue.db.damaged-*"))) >= 1, "the old file is kept"


def test_without_a_copy_the_damage_is_said_too(own_home, capsys):
    path = settled(own_home)
    shutil.rmtree(backups.folder_of(path), ignore_errors=True)
    path.write_bytes(os.urandom(5000))
    assert main(["models", "list"]) == 2 and "no copy of it yet" in capsys.readouterr().err
    assert main(["restore"]) == 2 and "no sound copy" in capsys.readouterr().err


def test_a_newer_catalogue_is_left_as_it_is(own_home, capsys):
    path = settled(own_home)
    with sqlite3.connect(path) as db:
        db.execute("update alembic_version set version_num = '0999_later'")
    db.close()
    before = path.read_bytes()
    assert main(["models", "list"]) == 2
    said = capsys.readouterr().err
    assert "written by another postgrad" in said and "0999_later" in said and path.read_bytes() == before


def test_copies_are_made_hourly_and_pruned_to_one_a_day(own_home):
    Catalogue()
    path = own_home / "catalogue.db"
    assert backups.copies(path) == [], "a catalogue that was made just now holds nothing"
    add(Catalogue())
    assert len(backups.copies(path)) == 1
    add(Catalogue(), name="other")
    assert len(backups.copies(path)) == 1, "one an hour"
    old = time.time() - 2 * backups.INTERVAL_S
    first = backups.copies(path)[0].rename(path.parent / "backups" / "catalogue-2026-02-01-000000.db")
    os.utime(first, (old, old))
    Catalogue()
    newest = backups.copies(path)[0]
    assert len(backups.copies(path)) == 2
    with sqlite3.connect(newest) as db:
        assert db.execute("select count(*) from models").fetchone() == (2,)
    db.close()
    for day in range(1, 29):
        for hour in range(3):
            newest.with_name(f"catalogue-2026-01-{day:02}-0{hour}0000.db").write_bytes(b"")
    backups.back_up(path)
    kept = [p.name for p in backups.copies(path)]
    assert sum("2026-01" in name for name in kept) < 30 and "catalogue-2026-01-28-020000.db" in kept


def test_a_damaged_catalogue_takes_no_copys_place(own_home):
    path = settled(own_home)
    backups.back_up(path)
    before = backups.copies(path)
    path.write_bytes(os.urandom(4096))
    with pytest.raises(StorageError, match="is damaged"):
        backups.back_up(path)
    assert backups.copies(path) == before


def test_copies_of_another_catalogue_are_none(own_home):
    path = settled(own_home)
    mine = backups.back_up(path)
    mine.with_name("catalogue-test-2030-01-01-000000.db").write_bytes(mine.read_bytes())
    assert backups.copies(path)[0] == mine


def test_a_copy_that_cannot_be_made_does_not_stop_who_reads(own_home, monkeypatch, caplog):
    path = settled(own_home)
    shutil.rmtree(backups.folder_of(path), ignore_errors=True)
    backups.folder_of(path).write_text("a file in the way")
    assert [e.id for e in Catalogue().list()] == ["tickets@1"]
    assert "must be a folder" in caplog.text


def test_an_older_schema_is_copied_before_it_is_changed(own_home):
    path = settled(own_home)
    with sqlite3.connect(path) as db:
        db.execute("alter table eval_runs drop column deaths")
        db.execute("drop table exports")
        for column in ("undone", "reason", "evidence"):
            db.execute(f"alter table aliases drop column {column}")
        db.execute("update alembic_version set version_num = '0005_looks'")
    db.close()
    assert [e.id for e in Catalogue().list()] == ["tickets@1"]
    with sqlite3.connect(backups.copies(path)[0]) as db:
        assert db.execute("select version_num from alembic_version").fetchone() == ("0005_looks",)
    db.close()
