"""The probe picks what is measured to be faster, and a wish is kept."""

import pytest

from postgrad.errors import UsageError
from postgrad.models.device import peak_memory, probe


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
