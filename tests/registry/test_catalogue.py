"""The registry: versions, aliases, roll-back; an old database opens; nothing is overwritten."""

import sqlite3

import pytest

from postgrad.blobs import Blobs
from postgrad.errors import ModelError, UsageError
from postgrad.registry import Catalogue
from postgrad.storage import folder_atomic


def add(catalogue, name="tickets", blob="sha256:a", **changes):
    fields = {
        "base": "b",
        "base_hash": "sha256:b",
        "method": "lora",
        "template": "t",
        "data_hash": "sha256:d",
        "report": None,
        "details": {"score": 0.5},
        **changes,
    }
    return catalogue.add(name=name, blob=blob, **fields)


def test_versions_count_up_and_the_same_training_is_the_same_version():
    catalogue = Catalogue()
    assert [add(catalogue).version, add(catalogue, blob="sha256:b").version, add(catalogue).version] == [1, 2, 1]
    assert catalogue.get("tickets").version == 2
    assert catalogue.get("tickets@1").blob == "sha256:a"


def test_promotion_and_roll_back():
    catalogue = Catalogue()
    for blob in "abc":
        add(catalogue, blob=f"sha256:{blob}")
    with pytest.raises(UsageError, match="no earlier version"):
        catalogue.rollback("tickets")
    catalogue.promote("tickets@1")
    catalogue.promote("tickets@3")
    assert catalogue.get("tickets").version == 3 == catalogue.get("tickets@production").version
    assert catalogue.rollback("tickets").version == 1
    assert catalogue.get("tickets").version == 1 and catalogue.aliases("tickets") == {"production": 1}


def test_a_model_in_use_is_not_deleted():
    catalogue = Catalogue()
    add(catalogue)
    catalogue.promote("tickets@1")
    with pytest.raises(UsageError, match="in use"):
        catalogue.delete("tickets@1")
    add(catalogue, blob="sha256:z")
    catalogue.delete("tickets@2")
    assert [e.id for e in catalogue.list()] == ["tickets@1"]
    with pytest.raises(ModelError, match="Registered: tickets"):
        catalogue.get("tickets@2")


def test_deleting_a_jobs_model_deletes_its_checkpoints_and_nobody_elses():
    catalogue = Catalogue()
    add(catalogue, name="ft:mine", details={"job": "ftjob-1"})
    for step, job in ((3, "ftjob-1"), (6, "ftjob-1"), (9, "ftjob-2")):
        add(catalogue, name=f"ft:mine:ckpt-step-{step}", blob=f"sha256:{step}", details={"job": job})
    add(catalogue, name="ft:mineral", details={"job": "ftjob-1"})
    catalogue.delete("ft:mine:ckpt-step-3@1")
    assert len(catalogue.list()) == 4, "a checkpoint goes alone"
    catalogue.delete("ft:mine@1")
    assert [e.name for e in catalogue.list()] == ["ft:mineral", "ft:mine:ckpt-step-9"]


def test_an_old_database_opens(own_home):
    """The first schema, written by hand as it was, with a row in it."""
    Catalogue()
    with sqlite3.connect(own_home / "catalogue.db") as db:
        db.execute(
            "insert into models (name, version, base, base_hash, method, blob, template, data_hash, report, details,"
            " created, deleted) values ('old', 1, 'b', 'h', 'lora', 'x', 't', 'd', null, '{}', '2026-01-01"
            " 00:00:00', 0)"
        )
    assert Catalogue().get("old").version == 1
    assert add(Catalogue(), name="old").version == 2


def test_two_processes_registering_at_once_get_two_versions():
    import threading

    got = []
    threads = [
        threading.Thread(target=lambda i=i: got.append(add(Catalogue(), blob=f"sha256:{i}").version)) for i in range(6)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(got) == [1, 2, 3, 4, 5, 6]


def test_blobs_are_checked_and_folders_come_back(tmp_path, own_home):
    folder = tmp_path / "f"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "sub" / "b.bin").write_bytes(b"\x00\xff")
    blobs = Blobs()
    digest = blobs.put_folder(folder)
    assert digest == blobs.put_folder(folder)
    back = blobs.get_folder(digest)
    assert (back / "a.txt").read_text() == "one" and (back / "sub" / "b.bin").read_bytes() == b"\x00\xff"
    stored = next(p for p in (own_home / "blobs").rglob("*") if p.is_file() and p.read_bytes() == b"one")
    stored.write_bytes(b"two")
    from postgrad.errors import StorageError

    with pytest.raises(StorageError, match="damaged"):
        blobs.get_bytes("sha256:" + stored.name)


def test_the_store_can_be_any_fsspec_url(monkeypatch, own_home):
    monkeypatch.setenv("POSTGRAD_STORE", "memory://blobs")
    digest = Blobs().put_bytes(b"x")
    assert Blobs().get_bytes(digest) == b"x" and not (own_home / "blobs").exists()


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "old").write_text("x")
    link.symlink_to(real)
    with folder_atomic(link) as work:
        (work / "new").write_text("y")
    assert link.is_symlink() and [p.name for p in real.iterdir()] == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]
