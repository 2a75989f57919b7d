"""`postgrad serve`: the HTTP server."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from postgrad.cli.door import errors
from postgrad.errors import UsageError


def command(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback unless you say otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8000,
    base: Annotated[list[str] | None, typer.Option(help="Further base models to offer; may be repeated.")] = None,
) -> None:
    """Serves base and tuned models to OpenAI's SDK. Set POSTGRAD_API_KEY to demand a key."""
    import uvicorn

    from postgrad.registry import Catalogue
    from postgrad.serving.app import make_app
    from postgrad.serving.engine import Engine

    key = os.environ.get("POSTGRAD_API_KEY") or None
    if key is None and host not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"Listening on {host} without a key would let anyone use your models.",
            "Set POSTGRAD_API_KEY, or leave --host at 127.0.0.1.",
        )
    engine = Engine(Catalogue(), base or ())
    errors.print(
        f"Serving {len(engine.names())} models at http://{host}:{port}/v1   (OpenAI(base_url=…); Ctrl-C ends)",
        markup=False,
    )
    uvicorn.run(make_app(engine, key), host=host, port=port, log_level="warning")
