"""What several processes need is made by one of them, whole or not at all; and one error is one message."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

from postgrad.storage import folder_atomic, one_maker

MAKER = """
import sys, time
from pathlib import Path
from postgrad.storage import folder_atomic, one_maker
target, log = Path(sys.argv[1]), Path(sys.argv[2])
def made():
    return (target / "done").exists()
if not made():
    with one_maker(target, lambda text: print(text, flush=True)):
        if not made():
            with log.open("a") as file:
                file.write("made\\n")
            with folder_atomic(target, keep=True) as work:
                for n in range(20):
                    (work / str(n)).write_text("x" * 1000)
                    time.sleep(0.02)
                (work / "done").write_text("")
assert len(list(target.iterdir())) == 21
"""


def test_of_eight_processes_on_a_fresh_home_one_makes_it(tmp_path):
    command = [sys.executable, "-c", MAKER, str(tmp_path / "home" / "model"), str(tmp_path / "log")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert all(process.returncode == 0 for process in running)
    assert (tmp_path / "log").read_text() == "made\n"
    assert sum("Another process is making model" in text for text in said) <= 7
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["model"], "no lock and no half is left"


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    target, lock = tmp_path / "model", tmp_path / ".model.lock"
    killed = subprocess.Popen([sys.executable, "-c", "pass"])
    killed.wait()
    lock.write_text(f"{socket.gethostname()} {killed.pid}")
    with one_maker(target, lambda text: None):
        assert lock.read_text().startswith(f"{socket.gethostname()} {os.getpid()} ")
    assert not lock.exists()
    lock.write_text("another-machine 1")
    old = time.time() - 1000
    os.utime(lock, (old, old))
    with one_maker(target, lambda text: None), folder_atomic(target) as work:
        (work / "x").write_text("x")
    assert not lock.exists() and target.is_dir()


def test_who_waits_is_told_and_goes_on(tmp_path):
    told, order, entered, leave = [], [], threading.Event(), threading.Event()

    def first():
        with one_maker(tmp_path / "m", told.append):
            entered.set()
            leave.wait()
            order.append(1)

    def second():
        with one_maker(tmp_path / "m", told.append):
            order.append(2)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    entered.wait()
    threads.append(threading.Thread(target=second))
    threads[1].start()
    while not told:
        time.sleep(0.01)
    leave.set()
    for thread in threads:
        thread.join()
    assert order == [1, 2] and told == ["Another process is making m; waiting for it."]


def test_an_error_of_all_processes_of_a_training_is_said_once(tmp_path):
    environment = {**os.environ, "WORLD_SIZE": "3", "TORCHELASTIC_RUN_ID": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "postgrad", "restore", "nowhere.db"]
    said = []
    for rank in range(3):
        done = subprocess.run(
            command, env={**environment, "RANK": str(rank)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr
        said.append(done.stderr)
    assert [bool(text) for text in said] == [True, False, False]
