"""What a program in the sandbox can and cannot do; and that without a sandbox nothing is run."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from postgrad.errors import UsageError
from postgrad.sandbox.run import Limits, Sandbox, find_sandbox
from postgrad.sandbox.seccomp import one_process_filter
from tests.needs import a_sandbox

QUICK = Limits(seconds=5)


@pytest.fixture
def sandbox() -> Sandbox:
    return a_sandbox()


def test_a_program_gets_its_input_and_is_read(sandbox: Sandbox) -> None:
    done = sandbox.run("import sys; print(sys.stdin.read().upper()); sys.exit(3)", "hé", QUICK)
    assert (done.code, done.output, done.timed_out) == (3, "HÉ\n", False)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.fork()", "not permitted"),
        ("import ctypes; print(ctypes.CDLL(None).fork())", "-1"),
        ("import subprocess; subprocess.run(['true'])", "not permitted"),
        ("import socket; socket.create_connection(('1.1.1.1', 80), 2)", "unreachable"),
        ("x = bytearray(1 << 30)", "MemoryError"),
        ("open('/etc/passwd').read()", "No such file"),
        ("open('/usr/bin/x', 'w')", "Read-only"),
        ("open('/dev/shm/x', 'w')", "Read-only"),
    ],
)
def test_what_a_program_cannot_do(sandbox: Sandbox, program: str, said: str) -> None:
    done = sandbox.run(program, limits=QUICK)
    assert said in done.output + done.errors


def test_the_users_files_and_variables_are_not_there(sandbox: Sandbox, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    assert "API_KEY" not in sandbox.run("import os; print(dict(os.environ))", limits=QUICK).output
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    done = sandbox.run(f"print(open({str(secret)!r}).read())", limits=QUICK)
    assert "secret\n" not in done.output and "No such file" in done.errors


def test_threads_are_allowed(sandbox: Sandbox) -> None:
    done = sandbox.run("import threading; t = threading.Thread(target=lambda: print('t')); t.start(); t.join()")
    assert done.output == "t\n"


def test_time_and_output_end(sandbox: Sandbox) -> None:
    start = time.monotonic()
    mark = f"sleeper{os.getpid()}"
    done = sandbox.run(f"import time; {mark} = 1\nwhile True: time.sleep(0.1)", limits=Limits(seconds=1))
    assert done.timed_out and time.monotonic() - start < 20
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout
    assert mark not in running, "the program is gone, not only its parent"
    loud = sandbox.run("while True: print('x' * 1000)", limits=Limits(seconds=20, output_bytes=10_000))
    assert not loud.timed_out and len(loud.output) <= 10_000


def test_the_disk_of_a_program_is_small(sandbox: Sandbox) -> None:
    done = sandbox.run("for i in range(200): open(f'/tmp/{i}', 'wb').write(b'x' * 1_000_000)", limits=Limits(20))
    assert "No space left" in done.errors


def test_without_a_sandbox_nothing_runs(monkeypatch) -> None:
    monkeypatch.setenv("POSTGRAD_SANDBOX", "none")
    with pytest.raises(UsageError, match="names no sandbox"):
        find_sandbox()
    monkeypatch.setenv("POSTGRAD_SANDBOX", "podman:python:3.12-slim")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"'podman' is not installed\.\n.*never run without a sandbox"):
        find_sandbox()


def test_a_container_is_given_nothing(sandbox: Sandbox) -> None:
    command = " ".join(Sandbox("docker", "docker", "python:3.12")._container("box", Limits()))
    for part in ("--network none", "--read-only", "--cap-drop ALL", "no-new-privileges", "--pids-limit 16", "--rm"):
        assert part in command
    assert "-v" not in command.split() and command.endswith("python:3.12 python3 -I -S")


def test_the_rule_is_whole_instructions() -> None:
    assert len(one_process_filter()) % 8 == 0
