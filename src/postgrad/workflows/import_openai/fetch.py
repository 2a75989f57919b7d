"""Fetching jobs into a folder: what is there is not fetched again, and what cannot be had is said of the job that
misses it.

OUT/jobs/JOB/job.json, events.jsonl, checkpoints.json      OUT/files/FILE.jsonl (results .csv), FILE.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postgrad.errors import Interrupted, UsageError
from postgrad.json_types import JsonObject
from postgrad.progress import Progress, Said, Working
from postgrad.storage import write_atomic
from postgrad.workflows.import_openai.account import Account, GoneError

ENDED = ("succeeded", "failed", "cancelled")


@dataclass
class Fetched:
    """One job with what could be had of it.

    Attributes:
        job: OpenAI's job object.
        folder: Where its files lie.
        files: Path by role (`training`, `validation`, `result`).
        missing: Sentence by role.
    """

    job: JsonObject
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.job["id"]

    @property
    def model(self) -> str | None:
        """The id of the fine-tuned model, if the job came to one."""
        return self.job.get("fine_tuned_model")

    @property
    def names(self) -> list[str]:
        """Every id under which programs may ask for the result: the model's and its last checkpoint's."""
        path = self.folder / "checkpoints.json"
        checkpoints = json.loads(path.read_text("utf-8")) if path.exists() else []
        last = max(checkpoints, key=lambda c: c["step_number"], default=None)
        names = [self.model, last and last["fine_tuned_model_checkpoint"]]
        return [name for name in dict.fromkeys(names) if name]


def fetch(account: Account, out: Path, only: Sequence[str], stopped: Callable[[], bool]) -> Working[list[Fetched]]:
    """Fetches all jobs, or those named, newest first.

    Args:
        only: Ids of jobs, or of fine-tuned models; empty for all.

    Raises:
        UsageError: a job that was named is not there.
        ModelError: the account cannot be read.
        Interrupted: `stopped()` turned true; what was fetched is kept.
    """
    jobs = list(account.jobs())
    if unknown := [n for n in only if not any(n in (j["id"], j.get("fine_tuned_model")) for j in jobs)]:
        known = ", ".join(j["id"] for j in jobs[:5]) or "none"
        raise UsageError(f"{account.url} has no job {unknown[0]!r} for this key.", f"The newest jobs: {known}.")
    chosen = [j for j in jobs if not only or j["id"] in only or j.get("fine_tuned_model") in only]
    yield Said(
        f"{len(jobs)} fine-tuning jobs at {account.url}" + (f", {len(chosen)} of them selected." if only else ".")
    )
    found = []
    for done, job in enumerate(chosen, 1):
        if stopped():
            raise Interrupted("Interrupted; what was fetched is kept.")
        one = _job(account, job, out)
        for sentence in one.missing.values():
            yield Said(sentence, warning=True)
        found.append(one)
        yield Progress(done, len(chosen), "jobs", job["id"])
    return found


def _job(account: Account, job: JsonObject, out: Path) -> Fetched:
    folder = out / "jobs" / safe(job["id"])
    one = Fetched(job, folder)
    complete = job.get("status") in ENDED
    _write_json(folder / "job.json", job)
    if not complete or not (folder / "events.jsonl").exists():
        events = account.events(job["id"])
        write_atomic(folder / "events.jsonl", "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in events))
    if job.get("fine_tuned_model") and not (folder / "checkpoints.json").exists():
        _write_json(folder / "checkpoints.json", account.checkpoints(job["id"]))
    wanted = {"training": job.get("training_file"), "validation": job.get("validation_file")}
    wanted |= {"result": (job.get("result_files") or [None])[0]}
    for role, file_id in wanted.items():
        if file_id:
            _file(account, one, role, file_id, out / "files")
    return one


def _file(account: Account, one: Fetched, role: str, file_id: str, folder: Path) -> None:
    """One file of a job; noted as missing where it cannot be had, and asked for again the next time."""
    path = folder / f"{safe(file_id)}{'.csv' if role == 'result' else '.jsonl'}"  # readers go by the ending
    if not path.exists():
        try:
            _write_json(path.with_suffix(".json"), account.file(file_id))
            account.save(file_id, path)
        except GoneError as gone:
            one.missing[role] = f"{one.id}: the {role} file {file_id} is not available: {gone}."
            return
    one.files[role] = path


def safe(identifier: str) -> str:
    """An id as the name of a file; no id of a service is ever a path.

    Raises:
        UsageError: it holds something that no id holds.
    """
    if not identifier or not all(c.isalnum() or c in "-_" for c in identifier) or len(identifier) > 120:
        raise UsageError(
            f"{identifier[:80]!r} is no id of a job or file; the service at this URL is not compatible with OpenAI."
        )
    return identifier


def _write_json(path: Path, value: Any) -> None:
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True))
