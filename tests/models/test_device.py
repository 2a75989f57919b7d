"""The probe picks what is measured to be faster, and a wish is kept."""

from postgrad.models.device import peak_memory, probe


def test_the_faster_precision_is_taken():
    probe.cache_clear()
    device = probe()
    assert device.gflops[device.dtype] == max(device.gflops.values()) and device.memory_bytes > 1 << 28
    assert peak_memory("cpu") > 1 << 26


def test_a_wish_is_kept(monkeypatch):
    monkeypatch.setenv("POSTGRAD_DTYPE", "bfloat16")
    probe.cache_clear()
    assert probe().dtype == "bfloat16"
    probe.cache_clear()
