"""What nothing refers to is freed, and what something refers to is not."""

import json
import os
import time

import pytest

from postgrad.blobs import Blobs
from postgrad.errors import StorageError
from postgrad.registry import Catalogue
from postgrad.steps.delivery.cleaning import clean, referred
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
    run.mkdir(parents=True)
    (run / "state").write_text("x")
    catalogue.delete("m1@1")
    for path in (*copies, run):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    clean(catalogue, blobs)
    assert [c.exists() for c in copies] == [False, True] and not run.exists()


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
