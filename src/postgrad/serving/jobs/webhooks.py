"""Tells another program that a job has ended: `fine_tuning.job.succeeded|failed|cancelled`, signed as Standard Webhooks
say.

Set by `POSTGRAD_WEBHOOK_URL` and `POSTGRAD_WEBHOOK_SECRET`. What is to be told is in the store, so nothing is forgotten
when the server is killed; the receiver may hear of the same event twice (it has the same `webhook-id`).
https://www.standardwebhooks.com
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from sqlalchemy import select, update

from postgrad.errors import UsageError
from postgrad.registry.job_tables import FINAL, JobRow
from postgrad.serving.storage.store import Store

SECONDS = 10
"""A receiver must answer within so many seconds."""
PAUSES = (5, 30, 120, 600, 3600, 3 * 3600, 12 * 3600)
"""Seconds until the next attempt; then it is given up."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receiver:
    """Where events go."""

    url: str
    secret: bytes


def receiver() -> Receiver | None:
    """The receiver that is set, if any.

    Raises:
        UsageError: the settings make no sense.
    """
    url, secret = os.environ.get("POSTGRAD_WEBHOOK_URL"), os.environ.get("POSTGRAD_WEBHOOK_SECRET")
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"POSTGRAD_WEBHOOK_URL is {url!r}, which is no http address.")
    if not secret:
        raise UsageError(
            "POSTGRAD_WEBHOOK_URL is set without POSTGRAD_WEBHOOK_SECRET; unsigned events could be forged.",
            "Set it to whsec_ and the base64 of 24 or so random bytes.",
        )
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True) if secret.startswith("whsec_") else secret
    except binascii.Error as error:
        raise UsageError("POSTGRAD_WEBHOOK_SECRET begins with whsec_, but no base64 follows.") from error
    return Receiver(url, key.encode() if isinstance(key, str) else key)


def signed(secret: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of an event."""
    digest = hmac.new(secret, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "content-type": "application/json",
    }


class Notifier:
    """Sends what is due."""

    def __init__(self, store: Store, to: Receiver) -> None:
        self.store, self.to = store, to

    def send_next(self) -> bool:
        """Tells of one job; says whether there was one."""
        moment = time.time()
        due = select(JobRow).where(JobRow.status.in_(FINAL), JobRow.notice_due <= moment).order_by(JobRow.number)
        with self.store.reading() as session:
            row = session.scalars(due.limit(1)).first()
        if row is None:
            return False
        if self._put_off(row, moment + (PAUSES[row.notices] if row.notices < len(PAUSES) else 0)):
            if self._sent(row):
                self._done(row)
            elif row.notices >= len(PAUSES):
                _log.warning("The end of %s could not be delivered to the webhook; giving up.", row.id)
                self._done(row)
        return True

    def _put_off(self, row: JobRow, until: float) -> bool:
        """Takes the attempt; of several servers one does, and if it is killed the next attempt comes by itself."""
        with self.store.writing() as session:
            mine = update(JobRow).where(JobRow.id == row.id, JobRow.notice_due == row.notice_due)
            taken = session.execute(mine.values(notice_due=until, notices=row.notices + 1))
            return taken.rowcount == 1  # pyright: ignore[reportAttributeAccessIssue]

    def _done(self, row: JobRow) -> None:
        with self.store.writing() as session:
            session.execute(update(JobRow).where(JobRow.id == row.id).values(notice_due=None))

    def _sent(self, row: JobRow) -> bool:
        event_id = f"evt_{row.id.removeprefix('ftjob-')}"
        event = {
            "id": event_id,
            "object": "event",
            "created_at": row.finished_at,
            "type": f"fine_tuning.job.{row.status}",
            "data": {"id": row.id},
        }
        body = json.dumps(event).encode()
        headers = signed(self.to.secret, event_id, int(time.time()), body)
        request = urllib.request.Request(self.to.url, body, headers)  # noqa: S310 - http(s) alone, checked above
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return 200 <= answer.status < 300
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False
