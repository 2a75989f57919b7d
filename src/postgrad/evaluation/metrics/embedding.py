"""Likeness of meaning: the cosine of two text embeddings, for free text that may be said in other words.

The vectors are static ones that need no network (`postgrad.models.embeddings`): they see which things are spoken of,
not who did what to whom, and no negation. A measure to inform, not to decide by.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult
from postgrad.json_types import well_formed


def cosines(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    """The cosine of each pair, cut at 0; texts without any known token agree only if they are equal."""
    from postgrad.models.embeddings import embed  # here: it opens 16 MB of vectors

    left, right = embed([well_formed(a) for a in answers]), embed([well_formed(r) for r in references])
    out = []
    for i, (answer, reference) in enumerate(zip(answers, references, strict=True)):
        if not left[i].any() or not right[i].any() or answer.strip() == reference.strip():
            out.append(float(answer.strip() == reference.strip()))
        else:
            out.append(min(1.0, max(0.0, float(left[i] @ right[i]))))
    return out


def embedding() -> Metric:
    """Cosine of the embeddings of answer and reference, cut at 0."""

    def measure(cases: Sequence[Case]) -> MetricResult:
        return MetricResult(tuple(cosines([c.answer for c in cases], [c.reference for c in cases])))

    return Metric("embedding", measure, title="likeness of meaning")
