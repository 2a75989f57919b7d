"""`postgrad serve`: the HTTP server."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from postgrad.cli.support.door import errors
from postgrad.errors import UsageError

SWITCH_S = 0.001
"""Threads that read a long request give the interpreter back so soon to the one that computes. Python's own 5 ms would
be waited for at each of some hundred steps of a token."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def command(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8000,
    base: Annotated[list[str] | None, typer.Option(help="More base models to serve; may be repeated.")] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(help="NAME=MODEL: another name for a model, for programs that use it; may be repeated."),
    ] = None,
    certfile: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without requiring a key.")
    ] = False,
    browser: Annotated[bool, typer.Option("--open", help="Open the server's page in a browser.")] = False,
    queue: Annotated[int, typer.Option(help="The most requests in progress or waiting; more get 429.", min=1)] = 64,
    idle_minutes: Annotated[
        float, typer.Option(help="Unload the model after this long without a request; 0: never.", min=0)
    ] = 15.0,
) -> None:
    """Serves base and tuned models to OpenAI's SDK. `postgrad keys create` (or POSTGRAD_API_KEY) makes it require a
    key."""
    from postgrad.registry import Catalogue
    from postgrad.registry.keys import Keys

    catalogue = Catalogue()
    key = os.environ.get("POSTGRAD_API_KEY") or None
    closed = key is not None or Keys(catalogue).any()
    if not closed and host not in _LOOPBACK and not insecure:
        raise UsageError(
            f"Listening on {host} without a key would let anyone use your models.",
            "Make one with `postgrad keys create NAME` (or set POSTGRAD_API_KEY), leave --host at 127.0.0.1, or add"
            " --insecure.",
        )
    for path in (certfile, keyfile):
        if path is not None and not path.is_file():
            raise UsageError(f"There is no file {str(path)!r}.", "--certfile and --keyfile require PEM files.")
    if (certfile is None) != (keyfile is None):
        raise UsageError("TLS requires both --certfile and --keyfile.", "Give the other one too, or neither.")
    names = _aliases(alias or [])

    import uvicorn

    from postgrad.serving.access.connections import InterruptibleServer, TimelyProtocol
    from postgrad.serving.app import make_app
    from postgrad.serving.inference.engine import Engine

    engine = Engine(catalogue, base or (), names)
    for name in names:
        engine.find(name)  # refuses a name that leads nowhere before anybody asks for it
    app = make_app(engine, key, guard=host in _LOOPBACK, places=queue, idle_seconds=60 * idle_minutes)
    scheme = "https" if certfile else "http"
    shown = f"[{host}]" if ":" in host else host
    opened = _bound(host, port)
    place, count = f"{scheme}://{shown}:{opened.getsockname()[1]}", len(engine.names())
    errors.print(
        f"Serving {count} {'model' if count == 1 else 'models'} at {place}/v1  "
        f" ({'a key is required' if closed else 'no key is required'}; OpenAI(base_url=…); what there is: {place}/;"
        " Ctrl-C ends)",
        markup=False,
        soft_wrap=True,
    )
    if browser:
        import webbrowser

        threading.Timer(1.0, webbrowser.open, [f"{place}/"]).start()
    more: dict[str, Any] = {"ssl_certfile": str(certfile), "ssl_keyfile": str(keyfile)} if certfile else {}
    limits = {"timeout_graceful_shutdown": 10, "http": TimelyProtocol}
    sys.setswitchinterval(SWITCH_S)
    server = InterruptibleServer(uvicorn.Config(app, host=host, port=port, log_level="warning", **limits, **more))
    server.run(sockets=[opened])
    if not server.started:
        raise typer.Exit(1)


def _bound(host: str, port: int) -> socket.socket:
    """The open door.

    Raises:
        UsageError: it is somebody else's, or this user may not open it.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(kind, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except (OSError, OverflowError) as error:
        opened.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} is in use: another program, or another `postgrad serve`, listens there.",
                f"Choose another one: --port {port + 1 if port < 65535 else 8001} (0: any that is free).",
            ) from error
        raise UsageError(
            f"{host}:{port} cannot be opened: {getattr(error, 'strerror', None) or error}.",
            "Choose another --port (above 1023 needs no rights), or another --host.",
        ) from error
    opened.set_inheritable(False)
    return opened


def _aliases(given: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    if wrong := [item for item, (name, _, model) in zip(given, pairs, strict=True) if not name or not model]:
        raise UsageError(f"--alias {wrong[0]!r} is not NAME=MODEL.", "For example: --alias gpt-4o-mini=tickets")
    return {name: model for name, _, model in pairs}
