"""The store of what models are made of: files by the hash of their content."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

from postgrad.errors import StorageError
from postgrad.storage import file_atomic, folder_atomic, home, remove_folder, sha256_file, sha256_stream, storing

_HEX = re.compile(r"[0-9a-f]{64}\Z")
_CHUNK = 1 << 20
_verified: set[Path] = set()  # copies in the cache that this process has looked through
_log = logging.getLogger(__name__)


class Blobs:
    """Content-addressed files at `$POSTGRAD_STORE` (any fsspec URL) or `<home>/blobs`.

    A folder is stored as a manifest of its files, so equal files are kept once. What is read is checked against its
    name, copies in the cache too; putting a content that is there damaged mends it.
    """

    def __init__(self, url: str | None = None) -> None:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        self.url = url or os.environ.get("POSTGRAD_STORE") or str(home() / "blobs")
        self._fs, self._root = fsspec.core.url_to_fs(self.url)
        self._local = isinstance(self._fs, LocalFileSystem)

    @property
    def own(self) -> bool:
        """Whether the store lies in this home, so that no other catalogue refers to it."""
        return self._local and Path(self._root).resolve().is_relative_to(home().resolve())

    def _path(self, digest: str) -> str:
        name = digest.removeprefix("sha256:")
        if not _HEX.match(name):
            raise StorageError(f"{digest!r} is no name of a blob.", "The registry or a manifest is damaged.")
        return f"{self._root}/{name[:2]}/{name}"

    def put_bytes(self, data: bytes) -> str:
        return self._put(io.BytesIO(data))

    def put_file(self, path: Path) -> str:
        with path.open("rb") as source:
            return self._put(source)

    def _put(self, source: BinaryIO) -> str:
        digest = sha256_stream(source)
        if self.state(digest) != "sound":
            source.seek(0)
            self._write(self._path(digest), source)
        elif self._local:
            os.utime(self._path(digest))  # it is new to whoever puts it: a clean-up lets it alone
        return digest

    def _write(self, target: str, source: BinaryIO) -> None:
        if self._local:
            with file_atomic(Path(target), mode=None) as out:
                shutil.copyfileobj(source, out, _CHUNK)
            return
        with storing(Path(self._root)):
            self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            part = f"{target}.part-{secrets.token_hex(8)}"
            with self._fs.open(part, "wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
            self._fs.mv(part, target)

    def state(self, digest: str) -> Literal["sound", "damaged", "missing"]:
        """Whether a blob is there and is what its name says; reads it."""
        try:
            with self._fs.open(self._path(digest), "rb") as stream:
                return "sound" if sha256_stream(stream) == digest else "damaged"
        except FileNotFoundError:
            return "missing"

    def get_bytes(self, digest: str) -> bytes:
        """The content, checked against its name.

        Raises:
            StorageError: the blob is missing or damaged.
        """
        out = io.BytesIO()
        self._read(digest, out)
        return out.getvalue()

    def _read(self, digest: str, out: BinaryIO) -> None:
        hashed = hashlib.sha256()
        try:
            with self._fs.open(self._path(digest), "rb") as stream:
                while chunk := stream.read(_CHUNK):
                    hashed.update(chunk)
                    out.write(chunk)
        except FileNotFoundError as error:
            raise StorageError(
                f"The store {self.url!r} has no blob {digest}.",
                "Was it deleted, or does POSTGRAD_STORE point elsewhere?",
            ) from error
        if "sha256:" + hashed.hexdigest() != digest:
            raise StorageError(
                f"The blob {digest} in {self.url!r} is damaged.",
                "`postgrad models verify --repair` mends it where a copy is left; else restore it from a backup, or"
                " train again.",
            )

    def head(self, digest: str, length: int = 16) -> bytes:
        """The first bytes, unchecked.

        Raises:
            FileNotFoundError: the blob is missing.
        """
        with self._fs.open(self._path(digest), "rb") as stream:
            return stream.read(length)

    def all(self) -> Iterator[tuple[str, int, float]]:
        """(digest, bytes, unix time of its making, 0 where the store does not tell) of every blob."""
        try:
            found: dict[str, Any] = self._fs.find(self._root, detail=True)
        except FileNotFoundError:
            return
        for path, facts in found.items():
            if _HEX.match(name := path.rsplit("/", 1)[-1]):
                names = ("mtime", "LastModified", "last_modified", "updated", "created")
                at = next((facts[n] for n in names if facts.get(n)), 0.0)
                seconds = at.timestamp() if isinstance(at, datetime.datetime) else _number(at)
                yield f"sha256:{name}", int(facts["size"]), seconds

    def remove(self, digest: str) -> None:
        """Takes a blob out of the store; for whoever knows that nothing refers to it."""
        self._fs.rm_file(self._path(digest))

    def put_folder(self, folder: Path) -> str:
        """Stores every file below `folder`; returns the digest of the manifest."""
        files = {p.relative_to(folder).as_posix(): self.put_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}
        return self.put_bytes(json.dumps({"files": files}, sort_keys=True).encode())

    def size(self, digest: str) -> int:
        """Bytes of a stored folder's files; 0 for what is not there."""
        try:
            return sum(int(self._fs.info(self._path(d))["size"]) for d in set(self.files_of(digest).values()))
        except (StorageError, FileNotFoundError):
            return 0

    def files_of(self, digest: str) -> dict[str, str]:
        """The digests of a stored folder's files by their paths.

        Raises:
            StorageError: the manifest is missing, damaged or none; or it names a file outside of the folder.
        """
        try:
            files = dict(json.loads(self.get_bytes(digest))["files"])
            outside = [n for n in files if Path(n).is_absolute() or ".." in Path(n).parts or "\\" in n or not n]
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"The blob {digest} holds no folder.", "The registry is damaged.") from error
        if outside:
            raise StorageError(
                f"The stored folder {digest} names {outside[0]!r}, which is outside of it; nothing was written.",
                "Whoever may write to the store put it there: look at who that is.",
            )
        return files

    def get_folder(self, digest: str) -> Path:
        """A local, read-only copy of a stored folder (kept under `<home>/cache`).

        Raises:
            StorageError: something of it is missing or damaged.
        """
        target = self.cached(digest)
        if target in _verified and target.exists():
            return target
        files = self.files_of(digest)
        if target.exists() and not _same_files(target, files):
            _log.warning("The copy %s is damaged; it is made anew from the store.", target)
            remove_folder(target)
        if not target.exists():
            with folder_atomic(target, keep=True) as work:
                for name, blob in files.items():
                    (work / name).parent.mkdir(parents=True, exist_ok=True)
                    with (work / name).open("wb") as out:  # not synced: each process looks through it again
                        self._read(blob, out)
        _verified.add(target)
        return target

    def cached(self, digest: str) -> Path:
        """Where the copy of a stored folder lies once it was asked for."""
        self._path(digest)
        return home() / "cache" / digest.removeprefix("sha256:")

    def looked_through(self, digest: str, repair: bool = False) -> dict[str, str]:
        """What is wrong with a stored folder, by path (the manifest's is ""): `damaged`, `missing`, or `repaired`.

        Args:
            repair: Mend what can be, from the copy in the cache; and forget a copy there that is damaged.
        """
        copy, out = self.cached(digest), dict[str, str]()
        if (state := self.state(digest)) != "sound" and repair and copy.is_dir():
            self.put_folder(copy)  # a complete copy makes the same manifest
            state = "repaired" if self.state(digest) == "sound" else state
        if state != "sound":
            out[""] = state
        if state in ("damaged", "missing"):
            return out
        files = self.files_of(digest)
        for name, blob in files.items():
            if (state := self.state(blob)) == "sound":
                continue
            if repair and (copy / name).is_file() and sha256_file(copy / name) == blob:
                self.put_file(copy / name)
                state = "repaired"
            out[name] = state
        if repair and copy.is_dir() and not _same_files(copy, files):
            remove_folder(copy)
        return out


def _same_files(folder: Path, files: Mapping[str, str]) -> bool:
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return there == set(files) and all(sha256_file(folder / name) == blob for name, blob in files.items())


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
