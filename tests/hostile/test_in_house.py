"""Everything works without a network, and with one nobody is called unasked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench import faults

from tests.needs import service_missing

ROOT = Path(__file__).parents[2]
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def work(folder: Path, prefix=(), *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "tests.hostile.in_house", str(folder), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def without_route() -> list[str]:
    """Begins a command in a network of its own that has nothing but loopback."""
    if shutil.which("bwrap") is None:
        service_missing("no network namespace", "bubblewrap")
    prefix = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow namespaces (bubblewrap does not work in this container)")
    return prefix


def test_everything_works_without_a_network(tmp_path):
    recorder = faults.Faults(tmp_path, tmp_path / "nowhere") if faults.compiler() else None
    done = work(tmp_path, without_route(), **(recorder.environment if recorder else {}))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    if recorder is not None:
        called = set(recorder.connections.read_text().splitlines())
        assert not {line for line in called if line.split()[0] not in LOOPBACK}, called
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" fine")] == [
        "check",
        "run",
        "train",
        "models",
        "export",
        "serve",
    ]


def test_nobody_is_called_unasked(tmp_path):
    if faults.compiler() is None:
        service_missing("no C compiler", "gcc")
    recorder = faults.Faults(tmp_path, tmp_path / "nowhere")
    done = work(tmp_path, (), "short", **recorder.environment)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    called = set(recorder.connections.read_text().splitlines())
    assert called, "the chat itself is a connection on loopback"
    assert not {line for line in called if line.split()[0] not in LOOPBACK}, called


def test_the_recorder_sees_a_call(tmp_path):
    if faults.compiler() is None:
        service_missing("no C compiler", "gcc")
    recorder = faults.Faults(tmp_path, tmp_path)
    call = "import socket\ntry: socket.create_connection(('192.0.2.1', 81), 0.1)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", call], env={**os.environ, **recorder.environment}, check=True)
    assert "192.0.2.1 81" in recorder.connections.read_text()
