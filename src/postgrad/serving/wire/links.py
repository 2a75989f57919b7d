"""Links to pages of this server that a browser opens without a key: the link itself is the leave, signed by this
server.

Whoever has the link may read that one page; links go out only in answers to those who may see the object.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from fastapi import Request

from postgrad.serving.wire.api_errors import ApiError
from postgrad.storage import home, made_once


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
    return made_once(home() / "link_secret", secrets.token_hex(32)).encode()
