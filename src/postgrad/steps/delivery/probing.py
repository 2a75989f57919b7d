"""The parity gate for a registered model: its truth is made once and kept, every engine is held to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from postgrad.blobs import Blobs
from postgrad.errors import DataError
from postgrad.evaluation.prompting import Retrieve
from postgrad.export.leaving import Leaving
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check, Parity, Tolerance, judge
from postgrad.export.parity.probes import Probe, Truth, make_probes
from postgrad.export.parity.questions import Question
from postgrad.export.table import wide_enough
from postgrad.export.weights import Shares
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.base_models import find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.progress import Progress, Said, Working
from postgrad.registry.catalogue import ModelEntry
from postgrad.steps.arms.registered import prompt_builder
from postgrad.steps.delivery.questions import questions_of
from postgrad.storage import code_version, home, sha256_json, write_atomic

LONGEST = 1024
"""Tokens of a question, without instruction and passages: longer ones would take an engine minutes."""
ROOM = 32
"""Tokens of the context that are left for an answer."""


def leaving_model(entry: ModelEntry, blobs: Blobs) -> Leaving:
    """A registered model, read.

    Raises:
        ModelError: its base cannot be had, or is not the one that it was trained on.
        StorageError: what it is made of is damaged or missing.
    """
    base = find_model(entry.base)
    renderer = load_renderer(base)
    prompt_builder(entry, renderer)  # refuses another tokenizer or template
    return Leaving(
        entry.id,
        base,
        entry.base,
        load_trained(blobs.get_folder(entry.blob)),
        renderer,
        entry.details.get("system_prompt"),
    )


def probes_of(
    leaving: Leaving, entry: ModelEntry, blobs: Blobs, retrieve: Retrieve | None = None
) -> Working[list[Probe]]:
    """The truth about a model: made by its plain code in the first use, then kept.

    Args:
        retrieve: Its own documents, where its form with passages is asked.
    """
    questions, prompts, without = _asked(leaving, entry, blobs, retrieve)
    dtype = _dtype(leaving)
    made_by = [entry.blob, leaving.base.hash, prompts, str(dtype), code_version("export/parity", "models")]
    key = sha256_json(made_by).removeprefix("sha256:")
    path = kept_probes(entry.blob) / f"{key}.json"
    if path.exists():
        return [_from_json(raw) for raw in json.loads(path.read_text("utf-8"))]
    yield Said(f"Asking {entry.id} {len(questions)} questions, by its own plain code (once).")
    shares, renderer = Shares(leaving, dtype), leaving.renderer
    truth = Truth(shares.module, shares.put, renderer.end_ids, renderer.decode, renderer.stops, renderer.thinking)
    made: list[Probe] = []
    for probe in make_probes(truth, questions, prompts, without):
        made.append(probe)
        yield Progress(len(made), len(questions), "questions")
    write_atomic(path, json.dumps([_to_json(p) for p in made]))
    return made


def kept_probes(blob: str) -> Path:
    """Where the truth about a model is kept; it goes with the model (`cleaning`)."""
    return home() / "cache" / "probes" / blob.removeprefix("sha256:")


def _dtype(leaving: Leaving) -> torch.dtype:
    """Float32 where that fits into half of the memory; else as the base lies on disk."""
    size = sum(p.stat().st_size for p in leaving.base.folder.glob("*.safetensors"))
    stored = leaving.base.config.get("dtype") or leaving.base.config.get("torch_dtype") or "float32"
    bytes_each = 4 if stored == "float32" else 2
    fits = 4 * size / bytes_each < psutil.virtual_memory().available / 2
    return torch.float32 if fits or stored not in ("bfloat16", "float16") else getattr(torch, stored)


def _asked(
    leaving: Leaving, entry: ModelEntry, blobs: Blobs, retrieve: Retrieve | None
) -> tuple[list[Question], list[list[int]], list[dict[str, list[int]]]]:
    """The questions that fit, their prompts, and prompts that lack something."""
    builder, renderer = prompt_builder(entry, leaving.renderer, retrieve), leaving.renderer
    plain = prompt_builder(entry, renderer)
    questions: list[Question] = []
    prompts: list[list[int]] = []
    without: list[dict[str, list[int]]] = []
    for question in questions_of(blobs, entry):
        try:
            ids = builder.build(question.messages, question.tools).ids
            lacks = {"the system prompt is": renderer.prompt_ids(question.messages, question.tools)}
            if retrieve is not None:
                lacks["the passages are"] = plain.build(question.messages, question.tools).ids
        except DataError:
            continue  # a template without tools, or that refuses an order of roles
        own = len(lacks["the system prompt is"])
        if own <= LONGEST and len(ids) <= renderer.context - ROOM:
            questions.append(question)
            prompts.append(ids)
            without.append({name: found for name, found in lacks.items() if found != ids})
    return questions, prompts, without


def gate(
    made: Iterable[Callable[[], Contestant]],
    probes: Sequence[Probe],
    tolerance: Tolerance,
    checks: Sequence[Check] = (),
) -> Working[list[Parity]]:
    """Every engine held to the truth.

    Args:
        made: Gives the model in each engine, one after the other, so that one at a time is in memory.
        probes: The truth.
        tolerance: Of the format.
        checks: What was found in the files themselves; counted with the first engine.
    """
    out: list[Parity] = []
    if probes:
        tolerance = wide_enough(tolerance, probes[0].dtype)
    if any(check.held is False for check in checks):  # damaged files are not loaded
        out.append(Parity("its files", len(probes), tuple(checks)))
        yield Said(out[0].sentence, warning=True)
        return out
    for make in made:
        begun = time.monotonic()
        try:
            found = judge(make(), probes, tolerance)
        except Exception as error:  # noqa: BLE001 - whatever an engine raises says that it does not run there
            told = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            fault = Check(
                "loads", False, f"It cannot be loaded or asked: {told}.", "its files are damaged or not all there"
            )
            found = Parity("an engine", len(probes), (fault,))
        first = () if out else tuple(checks)
        parity = replace(found, checks=(*first, *found.checks), seconds=time.monotonic() - begun)
        out.append(parity)
        yield Said(parity.sentence, warning=not parity.held)
    return out


def _to_json(probe: Probe) -> dict[str, object]:
    return {
        "question": probe.question.to_dict(),
        "ids": list(probe.ids),
        "without": {k: list(v) for k, v in probe.without.items()},
        "answer": list(probe.answer),
        "finish": probe.finish,
        "text": probe.text,
        "logprobs": probe.logprobs.tolist(),
        "margins": list(probe.margins),
        "shares": {str(k): v.tolist() for k, v in probe.shares.items()},
        "ended_by_token": probe.ended_by_token,
        "reach": list(probe.reach),
        "thinks": probe.thinks,
        "dtype": probe.dtype,
    }


def _from_json(raw: dict[str, object]) -> Probe:
    values: dict = dict(raw)
    return Probe(
        Question.from_dict(values["question"]),
        tuple(values["ids"]),
        {k: tuple(v) for k, v in values["without"].items()},
        tuple(values["answer"]),
        values["finish"],
        values["text"],
        torch.tensor(values["logprobs"]),
        tuple(values["margins"]),
        {float(k): torch.tensor(v) for k, v in values["shares"].items()},
        values["ended_by_token"],
        tuple(values["reach"]),
        values["thinks"],
        values["dtype"],
    )
