"""What nothing refers to is freed, and what something refers to is not."""

import json
import os
import time

import pytest

from postgrad.blobs import Blobs
from postgrad.errors import StorageError
from postgrad.registry import Catalogue
from postgrad.steps.delivery.cleaning import clean, referred
from postgrad.training_run import RunFolder
from tests.registry.test_catalogue import add


@pytest.fixture
def stored(tmp_path):
    """Two models that share a file, each with a report and a trace."""
    blobs, catalogue = Blobs(), Catalogue()
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "same").write_text("shared by both")
        (folder / "own").write_text(f"of {number}")
        details = {"trace": blobs.put_bytes(f"trace {number}".encode()), "deep": {"list": [blobs.put_bytes(b"deep")]}}
        report = blobs.put_bytes(f"report {number}".encode())
        add(catalogue, name=f"m{number}", blob=blobs.put_folder(folder), report=report, details=details)
    blobs.put_bytes(b"left behind")
    return blobs, catalogue


def texts(blobs):
    return sorted(blobs.get_bytes(d) for d, _, _ in blobs.all())


def test_a_deleted_models_files_go_and_shared_ones_stay(stored):
    blobs, catalogue = stored
    assert clean(catalogue, blobs, grace=0.0, pretend=True).blobs == 1 and b"left behind" in texts(blobs)
    catalogue.delete("m1@1")
    done = clean(catalogue, blobs, grace=0.0)
    left = texts(blobs)
    assert done.blobs == 5, "the report, the trace, the own file, the list of files, what was left behind"
    assert b"of 1" not in left and b"trace 1" not in left and b"left behind" not in left
    assert {b"of 2", b"shared by both", b"trace 2", b"report 2", b"deep"} <= set(left)
    assert clean(catalogue, blobs, grace=0.0).blobs == 0
    assert blobs.looked_through(catalogue.get("m2").blob) == {}


def test_what_was_just_written_is_left_alone(stored):
    blobs, catalogue = stored
    assert clean(catalogue, blobs).blobs == 0


def test_copies_and_ended_runs_go(stored, own_home):
    blobs, catalogue = stored
    copies = [blobs.get_folder(catalogue.get(f"m{n}").blob) for n in (1, 2)]
    run = own_home / "runs" / "0123456789abcdef"
    going = own_home / "runs" / "fedcba9876543210"
    for folder, state in ((run, "succeeded"), (going, "running")):
        folder.mkdir(parents=True)
        RunFolder(folder).write_state(state)
    catalogue.delete("m1@1")
    clean(catalogue, blobs)
    assert all(p.exists() for p in (*copies, run, going)), "all of it is new"
    for path in (p for folder in (*copies, run, going) for p in (folder, *folder.rglob("*"))):
        os.utime(path, (time.time() - 200_000, time.time() - 200_000))
    clean(catalogue, blobs)
    assert [c.exists() for c in copies] == [False, True] and not run.exists() and going.exists()


def test_a_damaged_list_stops_the_clean_up(stored):
    blobs, catalogue = stored
    from pathlib import Path

    digest = catalogue.get("m2").blob
    place = Path(blobs._path(digest))
    place.write_bytes(json.dumps({"files": {}}).encode())
    with pytest.raises(StorageError, match="damaged"):
        clean(catalogue, blobs, grace=0.0)
    assert b"of 2" in texts_unchecked(blobs)


def texts_unchecked(blobs):
    return [blobs._fs.cat_file(blobs._path(d)) for d, _, _ in blobs.all()]


def test_other_tables_count(stored):
    blobs, catalogue = stored
    kept = blobs.put_bytes(b"a job's report")
    from postgrad.registry.names import Names

    Names(catalogue).point("n", "m1@1", {"report": kept})
    assert kept in referred(catalogue, blobs)


def test_what_a_command_of_today_kept_waits(stored):
    """A run registers its model long after it has stored the weights."""
    from postgrad.storage import StageStore

    blobs, catalogue = stored
    waiting = blobs.put_bytes(b"an adapter that is not registered yet")
    StageStore.default().put("training", "sha256:" + "0" * 64, {}, {"blob": waiting})
    clean(catalogue, blobs, grace=0.0)
    assert blobs.state(waiting) == "sound"
    clean(catalogue, blobs, now=True)
    assert blobs.state(waiting) == "missing"


def test_texts_that_look_like_digests_stop_nothing(stored):
    from postgrad.registry.names import Names

    blobs, catalogue = stored
    Names(catalogue).point("n", "m1@1", {"metadata": "sha256:abc", "more": "sha256:" + "f" * 64})
    clean(catalogue, blobs, grace=0.0)
    assert blobs.looked_through(catalogue.get("m1").blob) == {}


def test_a_store_that_others_may_share_is_left_alone(stored, monkeypatch, tmp_path, capsys):
    from postgrad.cli import main

    monkeypatch.setenv("POSTGRAD_STORE", str(tmp_path / "shared"))
    Blobs().put_bytes(b"of somebody else")
    assert main(["models", "clean"]) == 2 and "shared with other catalogues" in capsys.readouterr().err
    assert main(["models", "clean", "--pretend"]) == 0
    assert main(["models", "clean", "--now", "--force", "it is mine"]) == 0
    assert not list(Blobs().all())
