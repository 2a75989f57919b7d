"""Links to pages of this server that a browser opens without a key: the link itself is the leave, signed by this server.

Whoever has the link may read that one page; links go out only in answers to those who may see the object.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

from fastapi import Request

from postgrad.serving.errors import ApiError
from postgrad.storage import home, write_atomic


def link(request: Request, kind: str, identifier: str, ending: str = "html") -> str:
    """The whole address of an object's page."""
    return f"{str(request.base_url).rstrip('/')}/pages/{kind}/{identifier}/{_signature(kind, identifier)}.{ending}"


def check_link(kind: str, identifier: str, signature: str) -> None:
    """Lets a request for a page through.

    Raises:
        ApiError: this server gave no such link.
    """
    if not hmac.compare_digest(signature.encode(), _signature(kind, identifier).encode()):
        raise ApiError(404, "There is no such page.", "unknown_url")


def _signature(kind: str, identifier: str) -> str:
    return hmac.new(_secret(), f"{kind}/{identifier}".encode(), hashlib.sha256).hexdigest()[:40]


def _secret() -> bytes:
    """This home folder's secret. Made once."""
    path = home() / "link_secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".link_secret-{secrets.token_hex(4)}")
        write_atomic(fresh, secrets.token_hex(32))
        try:
            os.link(fresh, path)  # of two servers that begin at once one makes it
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()
