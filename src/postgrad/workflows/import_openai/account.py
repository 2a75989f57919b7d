"""The account to be moved: everything that the unmodified `openai` SDK can read of its fine-tuning jobs.

The key comes from an environment variable, goes nowhere but to the URL, and is cut out of every sentence.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from postgrad.errors import ModelError, UsageError
from postgrad.json_types import JsonObject
from postgrad.models.remote.rules import clean

OPENAI = "https://api.openai.com/v1"
KEY_ENV = "OPENAI_API_KEY"
_PAGE = 100
_RETRIES = 5
_SMALL = 64 << 20
"""Bytes; a larger file is no result file."""


class GoneError(Exception):
    """A file that is not there any more, or that the service does not give out; says in whose words."""


class Account:
    """Reads an account.

    Args:
        url: The part before `/fine_tuning/jobs`.
        key_env: Environment variable with the key.

    Raises:
        UsageError: the variable is not set, or the package `openai` is missing.
    """

    def __init__(self, url: str = OPENAI, key_env: str = KEY_ENV) -> None:
        self.url, self.key_env = url.rstrip("/"), key_env
        self._key = os.environ.get(key_env, "").strip()
        local = urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")
        if not self._key and not (local and key_env == KEY_ENV):
            raise UsageError(
                f"The environment variable {key_env} is not set.",
                f"export {key_env}=… with a key of the account; it is sent to {self.url} only.",
            )
        try:
            import openai
        except ImportError as error:
            raise UsageError("Importing requires the package openai.", "pip install openai") from error
        self._openai = openai
        self._client = openai.OpenAI(base_url=self.url, api_key=self._key or "none", max_retries=_RETRIES)

    @property
    def asking_env(self) -> str | None:
        """The variable with the key, for those who ask the account's models; None where there is no key."""
        return self.key_env if self._key else None

    def jobs(self) -> Iterator[JsonObject]:
        """All fine-tuning jobs, newest first, to the end of paging.

        Raises:
            ModelError: the account cannot be read.
        """
        seen: set[str] = set()
        for job in self._listed(lambda: self._client.fine_tuning.jobs.list(limit=_PAGE)):
            if job["id"] in seen:
                raise ModelError(f"{self.url} returns the same jobs again instead of the next page.")
            seen.add(job["id"])
            yield job

    def events(self, job_id: str) -> list[JsonObject]:
        """All events of a job, oldest first."""
        return list(self._listed(lambda: self._client.fine_tuning.jobs.list_events(job_id, limit=_PAGE)))[::-1]

    def checkpoints(self, job_id: str) -> list[JsonObject]:
        """The checkpoints that are kept of a job."""
        return list(self._listed(lambda: self._client.fine_tuning.jobs.checkpoints.list(job_id)))

    def file(self, file_id: str) -> JsonObject:
        """What is said of a file.

        Raises:
            GoneError: it is not there any more.
        """
        try:
            return self._client.files.retrieve(file_id).to_dict()
        except self._openai.NotFoundError as error:
            raise GoneError("it was deleted there") from error
        except self._openai.OpenAIError as error:
            raise self._said(error) from None

    def save(self, file_id: str, path: Path) -> None:
        """The content of a file; appears whole or not at all. Text that comes in base64 is decoded.

        Raises:
            GoneError: it is not there any more, or is not given out.
        """
        part = path.with_name(f".{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._client.files.with_streaming_response.content(file_id) as answer:
                answer.stream_to_file(part)
            if part.stat().st_size < _SMALL:
                part.write_bytes(decoded(part.read_bytes()))
            os.replace(part, path)
        except self._openai.NotFoundError as error:
            raise GoneError("it was deleted there") from error
        except (self._openai.BadRequestError, self._openai.PermissionDeniedError) as error:
            raise GoneError(clean(f"it is not provided: {error.message}", self._key or None)) from error
        except self._openai.OpenAIError as error:
            raise self._said(error) from None
        finally:
            part.unlink(missing_ok=True)

    def _listed(self, ask: Any) -> Iterator[JsonObject]:
        try:
            for item in ask():
                yield item.to_dict()
        except self._openai.OpenAIError as error:
            raise self._said(error) from None

    def _said(self, error: Exception) -> ModelError:
        words = clean(f"{getattr(error, 'message', '') or error} {error.__cause__ or ''}", self._key or None)
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            return ModelError(f"{self.url} refused access: {words}", f"Is the key in {self.key_env} right?")
        return ModelError(
            f"{self.url} could not be read: {words}",
            "What was fetched is kept: run the same command again when it is available.",
        )


def decoded(content: bytes) -> bytes:
    """Content as it was meant: result files have been given out in base64 at times."""
    if not re.fullmatch(rb"[A-Za-z0-9+/\s]+={0,2}\s*", content):
        return content
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return content
