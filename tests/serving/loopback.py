"""A real server on loopback, and small tuned models for it."""

import contextlib
import threading
import time
from pathlib import Path

import torch
import uvicorn

from postgrad.blobs import Blobs
from postgrad.models.adapters.lora import attach, detach, taken
from postgrad.registry import Catalogue
from postgrad.serving.access import connections

ASK = [{"role": "user", "content": "Where is my Haven sofa?"}]


def counted(usage):
    """What the tokens of an answer count as; how many of the prompt were not read again differs from time to time."""
    return usage.model_dump(exclude={"prompt_tokens_details"})


@contextlib.contextmanager
def running(app):
    """The address of a server with this application."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def deployed(app):
    """The port of a server with this application, with the protocol and limits of `postgrad serve`."""
    server = connections.InterruptibleServer(
        uvicorn.Config(app, port=0, log_level="error", http=connections.TimelyProtocol)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def register(model, folder: Path, base: Path, name: str, seed: int, **details):
    """Registers an adapter with random weights that change the answers; returns (entry, adapter)."""
    layers = attach(model.module, rank=4, alpha=8, seed=1)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B.normal_(0, 0.3, generator=torch.Generator().manual_seed(seed))
    adapter = taken(layers, 8)
    detach(model.module, layers)
    folder.mkdir()
    adapter.save(folder, str(base))
    entry = Catalogue().add(
        name=name,
        base=str(base),
        base_hash="h",
        method="lora",
        blob=Blobs().put_folder(folder),
        template=model.renderer.fingerprint,
        data_hash="d",
        report=None,
        details={"job": "ftjob-test", **details} if "project" in details else details,
        production="" if "project" in details else "for a test",
    )
    return entry, adapter
