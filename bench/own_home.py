"""A home folder of a bench's own, with the base models that were fetched before; and a model in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postgrad.storage import home


@contextmanager
def own_home() -> Iterator[Path]:
    """A fresh home, gone afterwards; base models are shared with the usual one."""
    with tempfile.TemporaryDirectory(prefix="postgrad-bench-") as scratch:
        fresh = Path(scratch) / "home"
        fresh.mkdir()
        (home() / "models").mkdir(parents=True, exist_ok=True)
        (fresh / "models").symlink_to(home() / "models")
        yield fresh


def full_model(base: str) -> str:
    """Registers the base's own weights as a full fine-tuning in the home that the environment names; its name."""
    import shutil

    from postgrad.blobs import Blobs
    from postgrad.models.base_models import find_model
    from postgrad.models.rendering.render import load_renderer
    from postgrad.registry import Catalogue

    found = find_model(base)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(found.folder / "model.safetensors", Path(scratch) / "changed_weights.safetensors")
        Catalogue().add(
            name="full",
            base=base,
            base_hash=found.hash,
            method="full",
            blob=Blobs().put_folder(Path(scratch)),
            template=load_renderer(found).fingerprint,
            data_hash="d",
            report=None,
            details={},
        )
    return "full@1"
