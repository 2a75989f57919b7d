"""A registry in PostgreSQL (a real server) and a store behind another file system behave as SQLite and files do."""

from __future__ import annotations

import threading

import pytest

from postgrad.blobs import Blobs
from postgrad.errors import StorageError, UsageError
from postgrad.registry import Catalogue
from postgrad.registry.exports import Exports
from postgrad.steps.delivery.cleaning import clean
from tests.postgres import fresh_database
from tests.registry.test_catalogue import add


@pytest.fixture(params=["files and SQLite", "PostgreSQL", "another store"])
def house(request, monkeypatch, tmp_path):
    """Where the registry and the store are."""
    if request.param == "PostgreSQL":
        with fresh_database(request.getfixturevalue("postgres_server")) as url:
            monkeypatch.setenv("DATABASE_URL", url)
            yield request.param
        return
    if request.param == "another store":
        monkeypatch.setenv("POSTGRAD_STORE", f"memory://{tmp_path.name}")
    yield request.param


def registered(tmp_path, name, text):
    folder = tmp_path / f"{name}-{text}"
    folder.mkdir()
    (folder / "weights").write_text(text)
    (folder / "same").write_text("shared")
    return add(
        Catalogue(),
        name=name,
        blob=Blobs().put_folder(folder),
        details={"trace": Blobs().put_bytes(f"trace {text}".encode())},
    )


def test_the_life_of_a_model(house, tmp_path):
    catalogue, blobs = Catalogue(), Blobs()
    entries = [registered(tmp_path, "desk", f"v{n}") for n in (1, 2, 3)]
    assert [e.version for e in entries] == [1, 2, 3]
    for n in (1, 2, 3):
        catalogue.promote(f"desk@{n}", reason=f"number {n}")
    assert [catalogue.rollback("desk").version for _ in range(2)] == [2, 1]
    assert catalogue.forward("desk").version == 2 and catalogue.serving("desk").id == "desk@2"
    assert [m.undone is None for m in catalogue.history("desk")] == [True, True, False]
    Exports(catalogue).add(entries[1], "gguf", "F16", "/somewhere", {"a": "b"}, {"engines": []})
    assert Exports(catalogue).of(entries[1])[0].place == "/somewhere"
    assert (blobs.get_folder(entries[0].blob) / "weights").read_text() == "v1"
    with pytest.raises(UsageError, match="in use"):
        catalogue.delete("desk@2")
    catalogue.delete("desk@3")
    before = {d for d, _, _ in blobs.all()}
    assert clean(catalogue, blobs, grace=0.0).blobs == 3, "its list, its weights, its trace"
    left = {d for d, _, _ in blobs.all()}
    assert left < before and entries[2].blob not in left and entries[0].blob in left
    assert blobs.looked_through(entries[0].blob) == {} and blobs.size(entries[0].blob) == len("v1") + len("shared")


def test_a_damaged_blob_is_seen_and_mended(house, tmp_path):
    entry, blobs = registered(tmp_path, "desk", "v1"), Blobs()
    blobs.get_folder(entry.blob)
    weights = blobs.files_of(entry.blob)["weights"]
    with blobs._fs.open(blobs._path(weights), "wb") as out:
        out.write(b"others")
    assert blobs.state(weights) == "damaged"
    with pytest.raises(StorageError, match="damaged"):
        blobs.get_bytes(weights)
    assert blobs.looked_through(entry.blob, repair=True) == {"weights": "repaired"}
    assert blobs.get_bytes(weights) == b"v1"
    blobs.remove(weights)
    assert blobs.state(weights) == "missing"


def test_many_register_and_promote_at_once(house, tmp_path):
    Catalogue()
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            entry = registered(tmp_path, "desk", f"w{number}")
            Catalogue().promote(entry.id)
        except BaseException as error:  # noqa: BLE001 - told below
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults
    catalogue = Catalogue()
    assert sorted(e.version for e in catalogue.list("desk")) == [1, 2, 3, 4, 5]
    assert sum(m.standing for m in catalogue.history("desk")) == 1
