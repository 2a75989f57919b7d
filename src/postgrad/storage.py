"""Where state lives and how it is written: the home folder, content hashes, atomic files, and the stage store.

Nothing is overwritten in place: a file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from postgrad.errors import PostgradError, StorageError

_BEAT_S, _SILENCE_S = 10.0, 120.0
"""Between signs of life of who makes something that others wait for; silent for so long, it is gone."""


def home() -> Path:
    """The state folder: `$POSTGRAD_HOME`, or `~/.postgrad`."""
    return Path(os.environ.get("POSTGRAD_HOME") or Path.home() / ".postgrad")


DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)
"""A full disk, no permission, a read-only disk: the user's to mend, whatever was being done."""


@contextlib.contextmanager
def by_others(told: Callable[[Exception], PostgradError]) -> Iterator[None]:
    """Whatever the code of others raises on a file becomes one clear error; ours, and those of the disk, stay as they
    are.

    Args:
        told: Makes the error, whose cause is the one that it is given.
    """
    try:
        yield
    except PostgradError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        raise told(error) from error


@contextlib.contextmanager
def storing(where: Path) -> Iterator[None]:
    """Turns a full disk, a missing permission and a read-only disk into one clear error about `where`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"The disk that holds {str(where)!r} is full; no partial file was left behind.",
                "Free some space, or point POSTGRAD_HOME (state) or --out (reports) at another disk, and run the same "
                "command again: finished stages are kept.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"No permission to write to {str(where)!r}.",
                "Point POSTGRAD_HOME (state) or --out (reports) at a folder that you may write to.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise StorageError(
                f"{str(where)!r} must be a folder, but a file is there.", "Choose another folder."
            ) from error
        raise


def check_writable(folder: Path) -> None:
    """Refuses a folder that could not be made or written to, before any work is done for it.

    Raises:
        StorageError: no permission, or a file stands where a folder is needed.
    """
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    mend = "Point POSTGRAD_HOME (state) or --out (reports) at a folder that you may write to."
    if not existing.is_dir():
        raise StorageError(f"{str(folder)!r} cannot be made: {str(existing)!r} is a file.", mend)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(f"No permission to write to {str(existing)!r}.", mend)


@contextlib.contextmanager
def file_atomic(path: Path, mode: int | None = 0o600) -> Iterator[BinaryIO]:
    """Yields a fresh file that takes its place when the block ends well, and vanishes otherwise: it is there whole or
    not at all, even if the power goes.

    Args:
        path: Where it goes; folders are made.
        mode: Permissions; what is there to be passed on, such as a report, takes 0o644. None for those that the user's
            own new files have.

    Raises:
        StorageError: the disk is full or may not be written to.
    """
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            os.chmod(name, 0o666 & ~_umask() if mode is None else mode)
            os.replace(name, path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise


def _sync_folder(folder: Path) -> None:
    """What was put into a folder is in it even if the power goes."""
    with contextlib.suppress(OSError):  # not every file system and platform knows it
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    """What the user's settings take from a new file's permissions; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_atomic(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Writes text (as UTF-8) or bytes by `file_atomic`."""
    with file_atomic(path, mode) as out:
        out.write(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


def name_from(text: str, default: str) -> str:
    """A model's or folder's name out of any text: letters, digits, `_` and `-`; the default where nothing is left."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or default


def made_once(path: Path, content: str) -> str:
    """What stands in a file, which is made with this content where it is not there; of two processes that begin at once
    one makes it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        write_atomic(fresh, content)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text("utf-8").strip()


def _put_if_absent(work: Path, target: Path) -> None:
    try:
        os.rename(work, target)
    except OSError:
        if not target.exists():
            raise


@contextlib.contextmanager
def folder_atomic(target: Path, keep: bool = False) -> Iterator[Path]:
    """Yields a fresh folder beside `target` that takes its place when the block ends well, and vanishes otherwise.

    Where `target` is a link, what it leads to is replaced.

    Args:
        keep: A folder that another process put there meanwhile stays: it holds the same, and may be being read.
    """
    target = target.resolve()
    with storing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(p for p in target.parent.glob(f".{glob.escape(target.name)}.*") if _made_here(p))
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield work
            if keep:
                _put_if_absent(work, target)
                return
            if target.exists():
                remove_folder(target)
            os.replace(work, target)
            _sync_folder(target.parent)
        finally:
            if work.exists():
                shutil.rmtree(work, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Takes a folder away at once: who reads it goes on, who looks for it does not find half of it."""
    gone = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


_UNFINISHED = re.compile(r"\..+\.[A-Za-z0-9_]{8}")
"""Names that `file_atomic`, `folder_atomic` and `remove_folder` give to what is not there yet, or not any more."""
_STALE_S = 24 * 3600.0
_SWEPT = ("backups", "blobs", "cache", "models", "runs", "stages")
"""Folders of the home folder that are postgrad's alone."""


def sweep_unfinished() -> int:
    """Removes what processes left in the home folder that were killed while they wrote; says how many. What was touched
    within a day may still be being written."""
    return sum(_sweep(home().glob(f"{folder}/{inside}")) for folder in _SWEPT for inside in (".*", "*/.*"))


def _made_here(path: Path) -> bool:
    """Whether a folder is one of `folder_atomic`'s, beside what else a user may have there."""
    try:
        return path.is_dir() and not path.is_symlink() and path.stat().st_mode & 0o777 == 0o700
    except OSError:  # gone meanwhile
        return False


def _sweep(paths: Iterable[Path]) -> int:
    """Removes those that are unfinished and old."""
    swept = 0
    for path in paths:
        if not _UNFINISHED.fullmatch(path.name):
            continue
        with contextlib.suppress(OSError):
            newest = max(p.stat().st_mtime for p in (path, *path.rglob("*")))
            if time.time() - newest > _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                swept += 1
    return swept


@contextlib.contextmanager
def one_maker(target: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the right to make `target`: of several processes one is inside, on this machine and on a shared file
    system, and the others wait. Who comes in looks again whether it is there by now.

    Args:
        say: Told once why it takes longer.
    """
    lock, told = target.with_name(f".{target.name}.lock"), False
    with storing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                break
            except FileExistsError:
                if _left_behind(lock):
                    continue
                if not told:
                    say(f"Another process is making {target.name}; waiting for it.")
                    told = True
                time.sleep(0.2)
        mine = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"
        os.write(handle, mine.encode())
        os.close(handle)
    over = threading.Event()
    pulse = threading.Thread(target=_beat, args=(lock, over), daemon=True)
    pulse.start()
    try:
        yield
    finally:
        over.set()
        pulse.join()
        with contextlib.suppress(FileNotFoundError):
            if lock.read_text("utf-8") == mine:  # else it was taken over, after we were silent for long
                lock.unlink()


def _beat(lock: Path, over: threading.Event) -> None:
    while not over.wait(_BEAT_S):
        with contextlib.suppress(OSError):
            os.utime(lock)


def _left_behind(lock: Path) -> bool:
    """Takes away the lock of a process that is gone: it is of this machine and does not live, or has been silent."""
    import psutil

    try:
        seen = lock.read_text("utf-8")
        host, pid = [*seen.split(" "), ""][:2]
        dead = host == socket.gethostname() and pid.isdigit() and not psutil.pid_exists(int(pid))
        if not dead and time.time() - lock.stat().st_mtime < _SILENCE_S:
            return False
        gone = lock.with_name(f"{lock.name}.{secrets.token_hex(4)}")
        os.rename(lock, gone)  # one of those that wait does it
        if gone.read_text("utf-8") != seen:  # another one was faster, and this is the lock of who came after
            with contextlib.suppress(FileExistsError):
                os.link(gone, lock)
        gone.unlink()
    except FileNotFoundError:
        pass
    return True


def sha256_stream(stream: BinaryIO) -> str:
    """`sha256:<hex>` of what a stream holds from here on."""
    return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]


def sha256_file(path: Path) -> str:
    """`sha256:<hex>` of a file's content."""
    with path.open("rb") as stream:
        return sha256_stream(stream)


def sha256_json(value: object) -> str:
    """`sha256:<hex>` of a JSON-safe value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.lru_cache
def code_version(*packages: str) -> str:
    """Hash of the source files of the named folders of postgrad: a stage's result is void when its code changed."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for package in packages:
        start = root / package
        for path in sorted(start.rglob("*.py")) if start.is_dir() else [start.with_suffix(".py")]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class StageStore:
    """Results of stages by the hash of their inputs, so that the same command redoes only what changed."""

    folder: Path

    @classmethod
    def default(cls) -> StageStore:
        return cls(home() / "stages")

    def path(self, stage: str, key: str) -> Path:
        return self.folder / stage / (key.removeprefix("sha256:")[:40] + ".json")

    def get(self, stage: str, key: str) -> Any | None:
        """The stored result, or None. A torn file counts as absent (it cannot come from us: writes are atomic)."""
        path = self.path(stage, key)
        try:
            return json.loads(path.read_text("utf-8"))["result"]
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None

    def put(self, stage: str, key: str, inputs: Mapping[str, object], result: object) -> None:
        write_atomic(
            self.path(stage, key), json.dumps({"inputs": inputs, "result": result}, ensure_ascii=False, default=str)
        )


def stage_key(inputs: Mapping[str, object], packages: Iterable[str]) -> str:
    """The key of a stage: hash of its inputs and of the code that makes it."""
    return sha256_json({"inputs": inputs, "code": code_version(*packages)})
