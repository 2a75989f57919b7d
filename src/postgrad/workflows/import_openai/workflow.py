"""The whole move in one function: fetch, train again, compare; each job by itself, so that one that fails holds up no
other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from postgrad.errors import Interrupted, PostgradError, StorageError
from postgrad.json_types import JsonObject
from postgrad.progress import Said, Stage, Working
from postgrad.storage import check_writable, home
from postgrad.workflows.import_openai.account import Account
from postgrad.workflows.import_openai.against_old import Comparing, compare, sentence
from postgrad.workflows.import_openai.fetch import Fetched, fetch
from postgrad.workflows.import_openai.retrain import Retrained, retrain


@dataclass
class Moved:
    """What became of one job.

    Attributes:
        retrained: None where it was not, or not asked for.
        compared: The outcome in a sentence; empty where it was not compared.
        failed: Why its training or comparison failed.
    """

    fetched: Fetched
    retrained: Retrained | None = None
    compared: str = ""
    failed: str = ""

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        job = self.fetched.job
        return {
            "id": self.fetched.id,
            "status": job.get("status"),
            "base": job.get("model"),
            "fine_tuned_model": self.fetched.model,
            "folder": str(self.fetched.folder),
            "files": {k: str(v) for k, v in self.fetched.files.items()},
            "missing": self.fetched.missing,
            "retrained": asdict(self.retrained) if self.retrained else None,
            "compared": self.compared,
            "failed": self.failed,
        }


def move(
    account: Account,
    out: Path,
    base: str | None,
    how: Comparing | None,
    only: Sequence[str],
    stopped: Callable[[], bool] = lambda: False,
) -> Working[list[Moved]]:
    """Moves an account's fine-tuning jobs.

    Args:
        base: Trains the jobs again on this base; None fetches alone.
        how: Compares each retrained model with the old one.
        only: Jobs or models to move; empty for all.

    Raises:
        PostgradError: the account cannot be read, or nothing can be written.
        Interrupted: `stopped()` turned true; the same call goes on.
    """
    check_writable(out)
    check_writable(home())
    yield Stage("fetch", f"Fetching fine-tuning jobs from {account.url}")
    jobs = yield from fetch(account, out, only, stopped)
    moved = [Moved(job) for job in jobs]
    oldest_first = moved[::-1] if base else []  # a job may have trained an earlier one's model further
    for one in oldest_first:
        try:
            one.retrained = yield from retrain(one.fetched, base or "", stopped)
            if how is not None and one.retrained is not None:
                report = yield from compare(one.fetched, one.retrained, base or "", how, stopped)
                one.compared = sentence(report) if report else ""
        except (Interrupted, StorageError):
            raise
        except PostgradError as error:
            one.failed = str(error)
            yield Said(f"{one.fetched.id}: {error}", warning=True)
    return moved
