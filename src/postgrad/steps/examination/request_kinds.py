"""Which kinds of requests go wrong, for the report: of the best arm, beside how many training examples each kind
has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.data.requests import load_requests
from postgrad.decision.missing import examples_missing, gain_of, kinds_sentence
from postgrad.evaluation.request_kinds import kinds_of_requests
from postgrad.measures import ArmResult
from postgrad.progress import Said, Working
from postgrad.records import Record
from postgrad.report.advice import KindPart, KindsPart
from postgrad.steps.examples import Examples


def production_requests(paths: Sequence[str]) -> Working[tuple[Record, ...]]:
    """The requests seen in production that the user names; read first, so that a wrong file costs nothing.

    Raises:
        DataError: a file cannot be read.
    """
    if not paths:
        return ()
    loaded = load_requests([Path(path) for path in paths])
    yield Said(f"{len(loaded.records):,} requests from production. {loaded.explanation}")
    return loaded.records


def kinds_part(
    seed: int, examples: Examples, results: Sequence[ArmResult], production: Sequence[Record] = ()
) -> Working[KindsPart | None]:
    """The kinds of requests and their errors; None where the test is too small to tell kinds apart."""
    arm = max((r for r in results if not r.stopped), key=lambda r: (r.score.value, r.requires_training))
    train, test, seen = ([r.prompt_text for r in part] for part in (examples.train, examples.test, production))
    found = kinds_of_requests(train, test, arm.scores, seen, seed)
    if not found:
        return None
    every = [len(kind.train) for kind in found]
    parts = []
    for kind in found:
        share = len(kind.test) / len(test)
        weight = kind.production if kind.production is not None else share
        parts.append(
            KindPart(
                words=kind.words,
                train=len(kind.train),
                test=len(kind.test),
                share=share,
                production=kind.production,
                wrong=len(kind.test) * (1 - kind.score.value),
                score=kind.score.value,
                rest=kind.rest,
                interval=(kind.score.low, kind.score.high),
                gain=gain_of(kind.score.value, kind.rest, weight),
                p_worse=kind.p_worse,
                missing=examples_missing(len(kind.train), every, kind.production),
            )
        )
    part = KindsPart(arm=arm.name, kinds=parts, looked_at=len(parts), sentence=kinds_sentence(parts, len(parts)))
    yield Said(part.sentence)
    return part
