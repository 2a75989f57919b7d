"""What a model scored on each test example, kept with it in the registry: without texts, so that a later version can be
compared with it on the same examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.arm_kinds import FINE_TUNED, is_trained, recommended_arm
from postgrad.blobs import Blobs
from postgrad.evaluation.statistics.scores import Groups, compare
from postgrad.measures import ArmResult, Comparison
from postgrad.records import Record
from postgrad.registry.catalogue import ModelEntry
from postgrad.steps.reporting.result_lines import asked_hash


@dataclass(frozen=True)
class KeptScores:
    """The scores of a model's arms on a test part.

    Attributes:
        metric: By which they were judged.
        examples: Content hashes, in the order of the test part.
        groups: What each example belongs to; None where each stands for itself.
        scores: By arm, from 0 to 1.
    """

    metric: str
    examples: tuple[str, ...]
    groups: tuple[str, ...] | None
    scores: dict[str, tuple[float, ...]]

    def by_example(self, arm: str) -> dict[str, float]:
        """The scores of an arm by example; of equal examples the first."""
        out: dict[str, float] = {}
        for example, score in zip(self.examples, self.scores[arm], strict=True):
            out.setdefault(example, score)
        return out


def keep_scores(blobs: Blobs, metric: str, test: Sequence[Record], results: Sequence[ArmResult], groups: Groups) -> str:
    """Stores what the trained arms scored; returns the digest."""
    kept = {
        "metric": metric,
        "examples": [asked_hash(record) for record in test],
        "groups": None if groups is None else [str(group) for group in groups],
        "scores": {r.name: list(r.scores) for r in results if is_trained(r.name) and not r.stopped},
    }
    return blobs.put_bytes(json.dumps(kept).encode())


def kept_scores(blobs: Blobs, entry: ModelEntry) -> KeptScores | None:
    """The scores of a model; None where none were kept.

    Raises:
        StorageError: they are damaged or missing.
    """
    if not (digest := entry.details.get("scores")):
        return None
    raw = json.loads(blobs.get_bytes(digest))
    return KeptScores(
        raw["metric"],
        tuple(raw["examples"]),
        tuple(raw["groups"]) if raw["groups"] is not None else None,
        {arm: tuple(scores) for arm, scores in raw["scores"].items()},
    )


def arm_of(entry: ModelEntry, kept: KeptScores) -> str | None:
    """The arm that stands for a model: the one that its verdict recommended, else its plain form."""
    advised = recommended_arm(str(entry.details.get("recommendation") or ""))
    return next((arm for arm in (advised, FINE_TUNED, *kept.scores) if arm in kept.scores), None)


def paired_with(blobs: Blobs, new: ModelEntry, old: ModelEntry) -> Comparison | None:
    """Two versions on the test examples that both were measured on; None where there are none, or where they were
    judged by different metrics."""
    ours, theirs = kept_scores(blobs, new), kept_scores(blobs, old)
    if ours is None or theirs is None or ours.metric != theirs.metric:
        return None
    left, right = arm_of(new, ours), arm_of(old, theirs)
    if left is None or right is None:
        return None
    a, b = ours.by_example(left), theirs.by_example(right)
    common = [example for example in a if example in b]
    if not common:
        return None
    of = dict(zip(ours.examples, ours.groups, strict=True)) if ours.groups is not None else None
    groups = tuple(of[example] for example in common) if of is not None else None
    return compare([a[e] for e in common], [b[e] for e in common], groups, arm=new.id, against=old.id)
