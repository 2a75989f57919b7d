"""The story of `postgrad merge`: several adapters of one base become one model, and each task says what it lost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.models.adapters.lora import Adapter
from postgrad.models.adapters.merging import DENSITY, Method, merged_adapter
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.language_model import load_model
from postgrad.progress import Said, Stage, Working
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.registry.moves import check_name
from postgrad.registry.names import Names
from postgrad.steps.arms.registered import refuse_reward_model
from postgrad.steps.delivery.as_measured import as_measured
from postgrad.steps.delivery.canaries import keep_canary
from postgrad.storage import sha256_json
from postgrad.workflows.compare_models import compare_models


@dataclass(frozen=True)
class Merge:
    """The joint model.

    Attributes:
        entry: As it is registered.
        parents: What it was made of.
        missed: Share of the joint update that its rank does not hold.
        tasks: For each task that was measured, how the joint model does beside its own.
    """

    entry: ModelEntry
    parents: tuple[str, ...]
    missed: float
    tasks: tuple[str, ...]

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        return {"model": self.entry.id, "parents": list(self.parents), "missed": self.missed, "tasks": list(self.tasks)}


def merge(
    references: Sequence[str],
    name: str,
    *,
    method: Method = "linear",
    weights: Sequence[float] = (),
    density: float = DENSITY,
    data: Sequence[Path] = (),
    system_prompt: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Working[Merge]:
    """Joins adapters and registers the model.

    Args:
        references: Two or more models of one base.
        name: Of the joint one.
        method: How they are joined.
        weights: One for each; 1 each with TIES and DARE, equal shares that sum to 1 with `linear`, when empty.
        density: Of TIES and DARE.
        data: For each model, in their order, examples of its task: says what the joint model lost there.
        system_prompt: Its instruction; None: that of the models, where it is the same for all.
        stopped: Asked often.

    Raises:
        UsageError: they cannot be joined.
    """
    catalogue, blobs = Catalogue(), Blobs()
    entries = [Names(catalogue).entry(r) for r in references]
    if len({e.id for e in entries}) < 2:
        raise UsageError("One model alone cannot be merged.", "Name two or more: postgrad merge A B --name AB.")
    if len(others := {(e.base, e.base_hash, e.template) for e in entries}) > 1:
        bases = ", ".join(sorted({base for base, _, _ in others}))
        raise UsageError(f"They stand on several bases ({bases}).", "Only adapters of one base can be merged.")
    if data and len(data) != len(entries):
        raise UsageError(
            f"{len(data)} files are given for {len(entries)} models.", "Give one --data for each model, in order."
        )
    if weights and len(weights) != len(entries):
        raise UsageError(f"{len(weights)} weights are given for {len(entries)} models.", "Give one for each, in order.")
    shares = list(weights) or [1.0 / len(entries) if method == "linear" else 1.0] * len(entries)
    check_name(name)
    owners = {(e.details.get("organization"), e.details.get("project")) for e in entries}
    if len(owners) > 1:
        raise UsageError("They belong to several projects.", "Only models of one project can be merged.")
    organization, project = owners.pop()
    instructions = {e.details.get("system_prompt") for e in entries}
    if system_prompt is None and len(instructions) > 1:
        raise UsageError(
            "The models have different instructions, and the joint one can have only one.",
            "Give it: --system-prompt TEXT; requests may bring their own as well.",
        )
    yield Stage("merge", f"Joining {', '.join(e.id for e in entries)} ({method})")
    adapters: list[Adapter] = []
    for entry in entries:
        refuse_reward_model(entry)
        trained = load_trained(blobs.get_folder(entry.blob))
        if not isinstance(trained, Adapter):
            raise UsageError(f"{entry.id} was trained in full and has no adapter.", "Only adapters can be merged.")
        adapters.append(trained)
    joint, missed = merged_adapter(adapters, shares, method, density)
    model = load_model(entries[0].base)
    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        joint.save(Path(scratch), model.base.name)
        blob = blobs.put_folder(Path(scratch))
    entry = catalogue.add(
        name=name,
        base=entries[0].base,
        base_hash=entries[0].base_hash,
        method="lora",
        blob=blob,
        template=entries[0].template,
        data_hash=sha256_json([e.data_hash for e in entries]),
        report=None,
        details={
            "system_prompt": system_prompt if system_prompt is not None else next(iter(instructions)),
            "passages": 0,
            **({"organization": organization, "project": project} if project else {}),
            "dtype": model.device.dtype,
            "canary": keep_canary(blobs, model, joint, blob),
            "merged": {"method": method, "weights": shares, "density": density, "of": [e.id for e in entries]},
        },
    )
    del model
    if missed:
        yield Said(f"Its rank of {joint.rank} does not hold {100 * missed:.2g} % of the joint update.")
    tasks: list[str] = []
    for parent, file in zip(entries, data, strict=False):
        with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
            found = yield from compare_models(
                as_measured(blobs, parent), parent.id, entry.id, [file], Path(scratch), stopped=stopped
            )
        tasks.append(f"{file.name}: {found.sentence}")
    return Merge(entry, tuple(e.id for e in entries), missed, tuple(tasks))
