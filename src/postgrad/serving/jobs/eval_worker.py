"""Works through evaluation runs, a few rows at a time, from a thread of the server. Where runs of several projects
wait, each project has a while in turn.

Every finished row is in the store at once, so a server that was killed goes on with the rows that are missing: at once
after an orderly end, else when the old worker has been silent for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from postgrad.errors import Interrupted, PostgradError, StorageError
from postgrad.json_types import JsonObject
from postgrad.registry.eval_tables import EvalItemRow, EvalRow, EvalRunRow
from postgrad.registry.keys import Keys
from postgrad.serving.access.code_graders import sandbox_for
from postgrad.serving.access.limits import RateLimits
from postgrad.serving.access.quotas import Quotas
from postgrad.serving.inference.internal_client import InternalClient
from postgrad.serving.inference.streaming import Answering
from postgrad.serving.jobs.eval_data import rows_of, rows_path
from postgrad.serving.jobs.eval_judging import Judging
from postgrad.serving.jobs.eval_queue import EvalQueue
from postgrad.serving.jobs.lasting import Lasting
from postgrad.serving.jobs.leases import LeaseLostError
from postgrad.serving.storage.store import Owner
from postgrad.serving.wire.api_errors import ApiError

AT_ONCE = 8
"""Rows that are answered and judged beside each other, so that their answers grow together; recorded in order."""
BEAT = 3.0
TURN_S = 30.0
"""Seconds after which a run waits, where runs of another project do."""
MOST_TURNS = 100
"""Projects whose last turns are remembered."""
_log = logging.getLogger(__name__)


class EvalWorker:
    """The thread.

    Args:
        queue: The runs.
        answering: Asks models.
        quotas: Count the tokens of the keys that made the runs, in a month.
        rates: And in a minute.
    """

    def __init__(self, queue: EvalQueue, answering: Answering, quotas: Quotas, rates: RateLimits) -> None:
        self._queue, self._answering, self._quotas, self._rates = queue, answering, quotas, rates
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._turns: dict[Owner, None] = {}
        self.thread: Lasting | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins; answers are computed in the turns of the server's loop."""
        self.thread = Lasting("evaluations", lambda: self._turn(loop), self._stop)
        self.thread.start()

    def stop(self) -> None:
        """Ends the thread; the run at work waits for the next server."""
        self._stop.set()
        if self.thread is not None:
            self.thread.join()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Works through one run; says whether there was one."""
        claimed = self._queue.claim(list(self._turns))
        if claimed is None:
            return False
        owner = _owner(claimed[0])
        self._turns.pop(owner, None)
        self._turns[owner] = None  # now the last one of all that had a turn
        if len(self._turns) > MOST_TURNS:
            self._turns.pop(next(iter(self._turns)))
        self._run(loop, *claimed)
        return True

    def _run(self, loop: asyncio.AbstractEventLoop, row: EvalRunRow, of: EvalRow, token: str) -> None:
        self._lost.clear()
        over = threading.Event()
        pulse = threading.Thread(target=self._beat, args=(row.id, token, over), daemon=True)
        pulse.start()

        def let_go() -> None:
            over.set()
            pulse.join()  # else its last beat would say that somebody works on the run
            self._queue.let_go(row.id, token)

        try:
            if not self._rows(loop, row, of, token):
                let_go()
                return
            self._queue.finish(row.id, token, "completed")
        except LeaseLostError:
            return
        except Interrupted:
            with contextlib.suppress(StorageError):
                let_go()
            return
        except FileNotFoundError:
            self._fail(row.id, token, "server_error", "The rows of this run are gone from the server.")
        except ApiError as error:
            self._fail(row.id, token, error.body["error"]["code"] or "error", error.body["error"]["message"])
        except StorageError:
            with contextlib.suppress(StorageError):  # it passes; the run is taken up again, and that is no death
                let_go()
            raise
        except PostgradError as error:
            self._fail(row.id, token, "server_error", str(error))
        except Exception as error:  # noqa: BLE001 - of this run: the next ones are not held up by it
            _log.error("Evaluation run %s could not be worked through", row.id, exc_info=error)
            self._fail(row.id, token, "server_error", f"A fault of the server ended this run: {type(error).__name__}.")
        finally:
            over.set()
            pulse.join()
        rows_path(row.id).unlink(missing_ok=True)

    def _rows(self, loop: asyncio.AbstractEventLoop, row: EvalRunRow, of: EvalRow, token: str) -> bool:
        """Works through the rows; says whether all are done, or others have a turn first."""
        key = Keys(self._queue.store.catalogue).get(row.key_id) if row.key_id else None
        if key is not None:
            self._quotas.read(key)
        owner, minute = _owner(row), self._rates.of(key).tokens
        asker = InternalClient(self._answering, loop, owner, self._quotas, key, self._stopped, math.inf, minute)
        sandbox = sandbox_for(of.criteria, "testing_criteria")
        judging = Judging(row.data_source, of.config["schema"]["properties"]["item"], of.criteria, asker, sandbox)
        done = self._queue.done(row.id)
        rows = enumerate(rows_of(row.data_source["source"], row.id))
        waiting = ((place, *given) for place, given in rows if place not in done)
        asked: deque[Future[tuple[EvalItemRow, list[JsonObject]]]] = deque()
        began, over = time.monotonic(), False
        with ThreadPoolExecutor(AT_ONCE, "eval row") as pool:
            try:
                while True:
                    if not over and time.monotonic() - began > TURN_S:
                        over, began = self._queue.others_wait(owner), time.monotonic()
                    for place, item, sample in () if over else islice(waiting, AT_ONCE - len(asked)):
                        asked.append(pool.submit(judging.row, row.id, place, item, sample))
                    if not asked:
                        return not over
                    result, usages = asked.popleft().result()
                    if self._stopped():
                        raise LeaseLostError(row.id) if self._lost.is_set() else Interrupted("The server stops.")
                    self._queue.record(row.id, token, result, usages)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _stopped(self) -> bool:
        return self._stop.is_set() or self._lost.is_set()

    def _beat(self, run_id: str, token: str, over: threading.Event) -> None:
        while not over.wait(BEAT):
            try:
                self._queue.beat(run_id, token)
            except LeaseLostError:  # cancelled: the answer in the making is given up
                self._lost.set()
                return
            except StorageError as error:
                _log.warning("An evaluation run has no heartbeat: %s", error)

    def _fail(self, run_id: str, token: str, code: str, message: str) -> None:
        with contextlib.suppress(LeaseLostError):
            self._queue.finish(run_id, token, "failed", {"code": code, "message": message})


def _owner(row: EvalRunRow) -> Owner:
    return Owner(row.organization, row.project)
