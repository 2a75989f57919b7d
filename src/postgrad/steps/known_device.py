"""The device as `postgrad doctor` has measured it, without importing torch: what plans are made with beforehand."""

from __future__ import annotations

import json
from dataclasses import dataclass

from postgrad.facts import load_facts
from postgrad.json_types import JsonMapping
from postgrad.storage import home


@dataclass(frozen=True)
class KnownDevice:
    """A device and its speed.

    Attributes:
        gflops: Matrix-product rate in `dtype`, in 10⁹ operations a second.
        memory_bytes: Of a GPU; None for a processor, whose free memory is another at every moment.
        measured: Whether it was measured on this machine; else it is the usual one of a processor.
    """

    kind: str
    dtype: str
    gflops: float
    name: str = ""
    memory_bytes: int | None = None
    measured: bool = False

    @classmethod
    def of(cls, probed: JsonMapping | None) -> KnownDevice:
        """What was probed, as JSON; None: nothing was."""
        if probed is None:
            return cls("cpu", "float32", load_facts("devices")["cpu"]["gflops"])
        kind, dtype = probed["kind"], probed["dtype"]
        memory = probed["memory_bytes"] if kind == "cuda" else None
        return cls(kind, dtype, probed["gflops"][dtype], probed.get("name", ""), memory, True)

    def rate(self, what: str) -> float:
        """Operations a second that `training` or `generation` reaches."""
        return self.gflops * 1e9 * load_facts("devices")["efficiency"][what]


def known_device() -> KnownDevice:
    """As `postgrad doctor` measured it last."""
    probe = home() / "device.json"
    return KnownDevice.of(json.loads(probe.read_text("utf-8")) if probe.exists() else None)
