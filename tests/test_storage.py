"""Files are there whole or not at all, with the permissions that they should have; names come out of any text."""

import os
import stat
import time

import pytest

from postgrad.blobs import Blobs
from postgrad.errors import StorageError
from postgrad.storage import file_atomic, folder_atomic, name_from, sweep_unfinished, write_atomic


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_breaks_off_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = write_atomic(tmp_path / "a" / "x.txt", "old")
    with pytest.raises(KeyboardInterrupt), file_atomic(path) as out:
        out.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_permissions_are_private_given_or_the_users_own(tmp_path):
    mask = os.umask(0o027)
    try:
        assert mode(write_atomic(tmp_path / "private", "x")) == 0o600
        assert mode(write_atomic(tmp_path / "given", "x", 0o644)) == 0o644
        with file_atomic(tmp_path / "own", mode=None) as out:
            out.write(b"x")
        assert mode(tmp_path / "own") == 0o640 and os.umask(0o027) == 0o027
    finally:
        os.umask(mask)


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path):
    (tmp_path / "x").write_text("a file")
    with pytest.raises(StorageError, match="must be a folder"):
        write_atomic(tmp_path / "x" / "y", "text")


@pytest.mark.parametrize(
    ("text", "name"), [("Tickets 2026 (new)", "Tickets-2026-new"), ("…", "model"), ("a_b-c", "a_b-c"), ("é.x", "x")]
)
def test_a_name_out_of_any_text(text, name):
    assert name_from(text, "model") == name


def test_a_folder_that_another_process_unpacked_meanwhile_is_left_to_its_readers(tmp_path, monkeypatch):
    monkeypatch.setenv("POSTGRAD_HOME", str(tmp_path / "home"))
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "weights").write_bytes(b"1234")
    blobs = Blobs()
    digest = blobs.put_folder(tmp_path / "given")
    target = tmp_path / "home" / "cache" / digest.removeprefix("sha256:")
    real = Blobs._read

    def slow(self, wanted, out):
        """Another process is done before this one has read its first file."""
        if wanted != digest and not target.exists():
            target.mkdir(parents=True)
            (target / "weights").write_bytes(b"1234")
            slow.inode = target.stat().st_ino
        return real(self, wanted, out)

    monkeypatch.setattr(Blobs, "_read", slow)
    found = blobs.get_folder(digest)
    assert found.stat().st_ino == slow.inode and (found / "weights").read_bytes() == b"1234"
    assert [p.name for p in target.parent.iterdir()] == [target.name], "nothing is left beside it"


def test_what_killed_writers_left_is_swept_after_a_day_and_nothing_else(own_home):
    def made(path, days):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".folder99":
            path.mkdir()
            (path / "inside").write_text("x")
            os.utime(path / "inside", (time.time() - days * 86_400,) * 2)
        else:
            path.write_text("x")
        os.utime(path, (time.time() - days * 86_400,) * 2)
        return path

    gone = [made(own_home / "blobs" / "ab" / ".abcd.k3j_9x2a", 2), made(own_home / "cache" / ".m.folder99", 2)]
    stay = [
        made(own_home / "blobs" / "ab" / ".abcd.k3j_9x2b", 0.5),
        made(own_home / "blobs" / "ab" / "abcd", 9),
        made(own_home / "models" / ".base.lock", 9),
        made(own_home / ".bashrc.20250101", 9),
    ]
    assert sweep_unfinished() == 2
    assert not any(p.exists() for p in gone) and all(p.exists() for p in stay)


def test_a_folder_that_was_never_finished_goes_when_its_place_is_written_again(tmp_path):
    left, own, young = (tmp_path / n for n in (".out.k3j_9x2a", ".out.20250101", ".out.k3j_9x2b"))
    for folder, mode, days in ((left, 0o700, 2), (own, 0o755, 2), (young, 0o700, 0)):
        folder.mkdir(mode=mode)
        os.utime(folder, (time.time() - days * 86_400,) * 2)
    with folder_atomic(tmp_path / "out") as work:
        (work / "whole").write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == [own.name, young.name, "out"]
