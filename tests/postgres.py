"""A private PostgreSQL for the tests that need one: a folder and a port of its own, gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.needs import dev_package, service_missing


@contextmanager
def private_server() -> Iterator[str]:
    """The address (postgresql://user@host:port) of a server that POSTGRAD_TEST_POSTGRES names, or of one that is
    started here."""
    if named := os.environ.get("POSTGRAD_TEST_POSTGRES"):
        yield named
        return
    with restartable_server() as server:
        yield server.address


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The address, as `DATABASE_URL` wants it, of an empty database on a server."""
    psycopg, name = dev_package("psycopg"), f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"create database {name}")
    try:
        yield f"{server.replace('postgresql:', 'postgresql+psycopg:')}/{name}"
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")


def _programs() -> Path:
    """The folder with `initdb` and `postgres`: Debian keeps it off the path, one a version."""
    folders = [Path(found).parent for found in [shutil.which("initdb")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True)
    usable = next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)
    return usable or service_missing("no PostgreSQL", "postgresql")


def _user() -> str | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


class Restartable:
    """A server of our own that can be stopped and started again on its data."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs, self._folder, self._user, self._port = programs, folder, user, _free_port()
        data = folder / "data"
        how = ["-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([programs / "initdb", "-D", data, *how], user=user, cwd=folder, check=True, capture_output=True)
        self.address = f"postgresql://tests@127.0.0.1:{self._port}"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        folder, data = self._folder, self._folder / "data"
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p", str(self._port), "-k", folder]
        with (folder / "log").open("ab") as log:
            command = [self._programs / "postgres", "-D", data, *settings]
            self._server = subprocess.Popen(command, user=self._user, cwd=folder, stdout=log, stderr=log)
        _wait_for(self._server, self._port, folder / "log")

    def stop(self) -> None:
        """Ends what is connected, and stops."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(60)
            self._server = None


@contextmanager
def restartable_server() -> Iterator[Restartable]:
    """A server of our own, whatever POSTGRAD_TEST_POSTGRES says, started."""
    folder, user = Path(tempfile.mkdtemp(prefix="postgrad-pg-")), _user()
    if user:
        shutil.chown(folder, user)
    try:
        server = Restartable(_programs(), folder, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: subprocess.Popen, port: int, log: Path, seconds: float = 60) -> None:
    psycopg, end = dev_package("psycopg"), time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(f"postgresql://tests@127.0.0.1:{port}/postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"PostgreSQL did not start: {log.read_text('utf-8')}") from None
            time.sleep(0.1)
