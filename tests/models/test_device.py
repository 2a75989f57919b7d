"""The probe picks what is measured to be faster, and a wish is kept."""

import os
import re
from pathlib import Path

import pytest
import torch

from postgrad.cli import main
from postgrad.errors import UsageError
from postgrad.models.device import device_kind, peak_memory, probe, sums_in


def test_the_faster_precision_is_taken(monkeypatch):
    monkeypatch.delenv("POSTGRAD_DTYPE", raising=False)
    device = probe()
    assert device.gflops[device.dtype] == max(device.gflops.values()) and device.memory_bytes > 1 << 28
    assert peak_memory("cpu") > 1 << 26


@pytest.mark.parametrize("wish", ["float32", "bfloat16"])
def test_a_wish_is_kept_whatever_was_looked_at_before(monkeypatch, wish):
    monkeypatch.delenv("POSTGRAD_DTYPE", raising=False)
    measured = probe()
    monkeypatch.setenv("POSTGRAD_DTYPE", wish)
    assert probe().dtype == wish and probe().gflops == measured.gflops
    monkeypatch.delenv("POSTGRAD_DTYPE")
    assert probe().dtype == measured.dtype


def test_a_wish_that_cannot_be_kept_is_said(monkeypatch):
    monkeypatch.setenv("POSTGRAD_DTYPE", "fp16")
    with pytest.raises(UsageError, match="'fp16'; it can be float32 or bfloat16"):
        probe()


def test_a_device_that_is_not_there_is_refused_by_every_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("POSTGRAD_DEVICE", "cpu")
    assert device_kind() == probe().kind == "cpu"
    missing = next(k for k in ("mps", "cuda") if k == "mps" or not torch.cuda.is_available())
    monkeypatch.setenv("POSTGRAD_DEVICE", missing)
    with pytest.raises(UsageError, match=f"no device '{missing}'"):
        probe()
    for arguments in ("--device tpu doctor", "doctor --device=tpu", "doctor --device tpu --json"):
        monkeypatch.setenv("POSTGRAD_DEVICE", "cpu")
        assert main(arguments.split()) == 2
        assert "no device 'tpu'" in capsys.readouterr().err and os.environ["POSTGRAD_DEVICE"] == "tpu"


def test_no_sum_needs_what_apples_gpus_have_not():
    """They know no float64: sums are added up in what `sums_in` says of the device."""
    assert sums_in(torch.ones(1)) == torch.float64
    source = Path(__file__).parents[2] / "src" / "postgrad"
    found = {
        str(path.relative_to(source))
        for folder in ("models", "training")
        for path in (source / folder).rglob("*.py")
        if re.search(r"\.double\(\)|torch\.float64", path.read_text("utf-8"))
    }
    assert found == {"models/device.py", "training/parallel.py"}, "and processes that train as one, on CUDA or the CPU"
