"""Keeps the queue moving: checks new jobs' files, starts a training process a device, and looks after those at work.

All that it knows is in the store, so a server that was killed and started again finds the processes where they are. A
job gets a new process only after the old one is seen dead, and with a new lease.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from sqlalchemy import select

from postgrad.errors import StorageError
from postgrad.registry.backups import back_up_if_due
from postgrad.registry.job_tables import FINAL, JobRow
from postgrad.serving.api import files, uploads
from postgrad.serving.jobs.job_folder import JobFolder, host_id
from postgrad.serving.jobs.job_graders import lacking
from postgrad.serving.jobs.lasting import Lasting
from postgrad.serving.jobs.queue import Error, Queue
from postgrad.serving.jobs.webhooks import Notifier, Receiver
from postgrad.serving.storage import file_contents
from postgrad.serving.storage.store import Store
from postgrad.steps.openai_jobs.hyperparameters import chosen
from postgrad.steps.openai_jobs.training_file import FileFaultError, count_examples
from postgrad.storage import home

SILENCE = 60.0
"""Seconds without a sign of life after which a process counts as hung and is killed."""
LEAVING = 60.0
"""Seconds that a process gets to end by itself once its job is over or paused."""
SWEEP = 60.0
_log = logging.getLogger(__name__)


class Supervisor:
    """The threads of a server that look after jobs.

    Args:
        store: Where the jobs are.
        to: Who is told of their ends.
    """

    def __init__(self, store: Store, to: Receiver | None = None) -> None:
        self.store, self.host = store, host_id()
        self.queue = Queue(store, self.host)
        self._stop = threading.Event()
        turns = {"file checks": self._validate, "trainings": self._run}
        if to is not None:
            turns["webhooks"] = Notifier(store, to).send_next
        self.threads = [Lasting(name, turn, self._stop) for name, turn in turns.items()]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._seen: dict[str, tuple[float | None, float]] = {}
        self._swept = 0.0

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads; training processes go on."""
        self._stop.set()
        for thread in self.threads:
            thread.join()

    def _validate(self) -> bool:
        """Checks the files of one new job; says whether there was one."""
        row = self.queue.next_to_validate()
        if row is None:
            return False
        examples = self._checked(row)
        if isinstance(examples, Error):
            self.queue.fail(row.id, examples)
            JobFolder.of(row.id).clear()
        else:
            passes = chosen(row.method[row.method["type"]]["hyperparameters"], examples)["n_epochs"]
            self.queue.validated(row.id, examples, JobFolder.of(row.id).training.stat().st_size * passes)
        return True

    def _checked(self, row: JobRow) -> int | Error:
        """Examples of a job's training file, or what is wrong."""
        try:
            return self._counted(row)
        except FileNotFoundError:
            return Error("server_error", "The content of the job's files is gone from the server.", "training_file")
        except (OSError, StorageError):
            raise  # it passes, and the job is looked at again
        except Exception as error:  # noqa: BLE001 - of this job: the others are not held up by it
            _log.error("The files of job %s could not be checked", row.id, exc_info=error)
            return Error("server_error", f"A fault of the server ended the check: {type(error).__name__}.")

    def _counted(self, row: JobRow) -> int | Error:
        kind, folder = row.method["type"], JobFolder.of(row.id)
        lacks = lacking(row.method[kind]["grader"]) if kind == "reinforcement" else None
        try:
            count = count_examples(folder.training, row.training_file, kind, lacks=lacks)
        except FileFaultError as fault:
            return Error("invalid_n_examples" if fault.few else "invalid_training_file", fault.message, "training_file")
        try:
            if row.validation_file:
                count_examples(folder.validation, row.validation_file, kind, minimum=1, what="Validation", lacks=lacks)
        except FileFaultError as fault:
            return Error("invalid_validation_file", fault.message, "validation_file")
        return count

    def _run(self) -> bool:
        """One look at the processes, then at the devices."""
        working = self.queue.occupying()
        self._reap({row.lease for row in working})
        for row in working:
            if why := self._death(row):
                self._follow(row, why)
        for device, visible in devices(self.host):
            claimed = self.queue.claim(device)
            if claimed is not None:
                self._spawn(claimed[0].id, claimed[1], visible)
        if time.monotonic() - self._swept > SWEEP:
            self._swept = time.monotonic()
            self._sweep()
        return False

    def _reap(self, leases: set[str | None]) -> None:
        """Takes leave of our children that have ended and hold no job any more."""
        for lease, child in list(self._children.items()):
            if lease not in leases and child.poll() is not None:
                del self._children[lease]

    def _death(self, row: JobRow) -> str | None:
        """Why a job's process counts as dead; None while it works. What is hung is killed first."""
        child = self._children.get(row.lease or "")
        if child is not None:
            code = child.poll()
            if code is not None:
                del self._children[row.lease or ""]
                return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        elif row.worker_pid is not None and not _lives(row.worker_pid, row.worker_started):
            return "is gone"
        if self._silent(row) < (SILENCE if row.status in ("running", "pausing") else LEAVING):
            return None
        if row.worker_pid is not None and _lives(row.worker_pid, row.worker_started):
            with contextlib.suppress(ProcessLookupError):
                os.kill(row.worker_pid, signal.SIGKILL)
            return None  # the next look finds it dead
        return "never began" if row.worker_pid is None else "is gone"

    def _silent(self, row: JobRow) -> float:
        """Seconds for which this server has seen no new sign of life; the clock of a machine that slept does not
        count."""
        sign = row.heartbeat if row.status in ("running", "pausing") else -1.0
        before = self._seen.get(row.id)
        if before is None or before[0] != sign:
            self._seen[row.id] = (sign, time.monotonic())
            return 0.0
        return time.monotonic() - before[1]

    def _follow(self, row: JobRow, why: str) -> None:
        """What comes after a process's end."""
        self._seen.pop(row.id, None)
        words = JobFolder.of(row.id).last_words()
        last = f" (its last words: {words})" if words and "code" in why else ""
        lease = self.queue.process_ended(row, why + last)
        if lease is not None:
            visible = next((v for d, v in devices(self.host) if d == row.device), None)
            self._spawn(row.id, lease, visible)

    def _spawn(self, job_id: str, lease: str, visible: str | None) -> None:
        """Starts a job's process in a session of its own, so that it outlives the server."""
        folder = JobFolder.of(job_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if k != "POSTGRAD_API_KEY"}
        environment |= {
            "POSTGRAD_LEASE": lease,
            "POSTGRAD_HOME": str(home().absolute()),
            "TOKENIZERS_PARALLELISM": "false",
        }
        if visible is not None:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        with folder.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "postgrad.serving.jobs.worker", job_id],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._children[lease] = child
        with contextlib.suppress(psutil.Error):
            self.queue.started(job_id, lease, child.pid, psutil.Process(child.pid).create_time())

    def _sweep(self) -> None:
        """Removes what is not needed any more: expired files, parts, and the folders of jobs that are over."""
        with self.store.writing() as session:
            gone = files.remove_expired(session) + uploads.expire(session)
        for identifier in gone:
            file_contents.forget(identifier)
        file_contents.sweep_incoming()
        if (database := self.store.catalogue.database) is not None:
            back_up_if_due(database)
        folders = [p for p in (home() / "jobs").glob("ftjob-*") if (p / "training.jsonl").exists()]
        with self.store.reading() as session:
            unfinished = set(
                session.scalars(select(JobRow.id).where(JobRow.status.not_in(FINAL) | JobRow.device.is_not(None)))
            )
        for folder in folders:
            if folder.name not in unfinished and time.time() - folder.stat().st_ctime > 10:
                JobFolder(Path(folder)).clear()


def devices(host: str) -> list[tuple[str, str | None]]:
    """(name in the store, CUDA_VISIBLE_DEVICES of its processes) of what can train here, one job at a time each."""
    import torch

    from postgrad.models.device import device_kind  # here: it imports torch

    shown = [v for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if v.strip()]
    count = torch.cuda.device_count() if device_kind() == "cuda" else 0
    if not count:
        return [(f"{host}/cpu", None)]
    names = shown if len(shown) == count else [str(i) for i in range(count)]
    return [(f"{host}/cuda:{name}", name) for name in names]


def _lives(pid: int, since: float | None) -> bool:
    """Whether a process is there and is the one that was started then."""
    try:
        process = psutil.Process(pid)
        same = since is None or abs(process.create_time() - since) < 2
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
