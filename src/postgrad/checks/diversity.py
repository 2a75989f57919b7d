"""How much different there is to learn: kinds of requests, thin ones among them, and one template filled in over and
over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from postgrad.checks.support.embedding_space import clusters, distinguishing, sample, vectors, words_of
from postgrad.checks.support.phrases import count_of, percent, quote, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.json_types import JsonObject
from postgrad.records import Record
from postgrad.similarity.templates import names

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_QUOTED = re.compile(r"[\"“][^\"”]{1,60}[\"”]")
_OPENING = 6


@check_factory(
    harm=12,
    advice="Collect examples for the kinds that have few records.",
)
def diversity(*, thin_below: int = 5, template_share: float = 0.2, min_records: int = 50, most: int = 20_000) -> Check:
    """Says how many different requests there effectively are, which kinds are thin, and which template dominates.

    The effective number is the Vendi score (Friedman and Dieng 2023): the exponential of the entropy of the eigenvalues
    of the embeddings' similarities. All its findings are for information.

    Args:
        thin_below: Kinds of requests with fewer records are thin.
        template_share: Share of the requests from which a common template or opening is named.
        min_records: Fewer are not judged.
        most: Requests looked at, chosen by content.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        asked = [i for i, r in enumerate(records) if r.prompt_text.strip()]
        if len(asked) < min_records:
            return
        everything = vectors([r.prompt_text for r in records])
        chosen = [asked[i] for i in sample([records[i].prompt_text for i in asked], most)]
        texts = [records[i].prompt_text for i in chosen]
        points = everything[chosen].astype(np.float32)
        kinds = _kinds(texts, points)
        effective = effective_number(points)
        largest = kinds[0]
        yield Finding(
            check="diversity",
            severity="info",
            sentence=(
                f"{len(texts):,} requests are as varied as {effective:.0f} entirely different ones; the largest of "
                f"{count_of(len(kinds), 'kind')}, {_named(largest)}, has {percent(largest['records'] / len(texts))}."
            ),
            details={
                "fault": "",
                "effective": round(effective, 1),
                "judged": len(texts),
                "kinds": [{"words": k["words"], "records": k["records"]} for k in kinds],
            },
        )
        yield from _thin(records, chosen, kinds, thin_below)
        yield from _template(records, chosen, texts, template_share)

    return check


def effective_number(points: np.ndarray) -> float:
    """The Vendi score of unit vectors: 1 where all are the same, at most their number and their dimension."""
    points = points[np.linalg.norm(points, axis=1) > 0]
    if not len(points):
        return 0.0
    values = np.linalg.eigvalsh(points.T @ points / len(points))
    values = values[values > 1e-9]
    return float(np.exp(-(values * np.log(values)).sum()))


def _kinds(texts: Sequence[str], points: np.ndarray) -> list[JsonObject]:
    """Clusters, largest first: their words, size, and members as positions in `texts`."""
    found = clusters(points, int(np.clip((len(texts) / 10) ** 0.5, 3, 40)))
    spread = Counter(w for text in texts for w in words_of(text))
    kinds = []
    for number in np.unique(found):
        members = np.flatnonzero(found == number).tolist()
        words = distinguishing([texts[i] for i in members], spread, len(texts))
        kinds.append({"words": words, "records": len(members), "members": members})
    return sorted(kinds, key=lambda kind: -kind["records"])


def _named(kind: JsonObject) -> str:
    return f"“{', '.join(kind['words'])}”" if kind["words"] else "one without distinguishing words"


def _thin(
    records: Sequence[Record], chosen: Sequence[int], kinds: Sequence[JsonObject], thin_below: int
) -> Iterator[Finding]:
    thin = [kind for kind in reversed(kinds) if kind["records"] < thin_below]
    if not thin:
        return
    placed = [(chosen[i], kind) for kind in thin for i in kind["members"]]
    yield Finding(
        check="diversity",
        severity="info",
        sentence=(
            f"{count_of(len(thin), 'kind')} of requests {verb(len(thin), 'has', 'have')} fewer than {thin_below}"
            f" records: {', '.join(_named(kind) for kind in thin[:5])}."
        ),
        indices=tuple(index for index, _ in placed),
        evidence=tuple(f"one of {kind['records']}: {quote(records[index].prompt_text)}" for index, kind in placed),
        details={"fault": "thin", "kinds": [{"words": k["words"], "records": k["records"]} for k in thin]},
    )


def _template(
    records: Sequence[Record], chosen: Sequence[int], texts: Sequence[str], share: float
) -> Iterator[Finding]:
    for how, key in (("is one template, filled in differently", skeleton), ("begins with the same words", _opening)):
        counts = Counter(found for text in texts if (found := key(text)))
        if not counts:
            continue
        form, times = counts.most_common(1)[0]
        if times >= max(10, share * len(texts)):
            members = [chosen[i] for i, text in enumerate(texts) if key(text) == form]
            yield Finding(
                check="diversity",
                severity="info",
                sentence=f"{percent(times / len(texts))} of the requests {how}: {quote(form, 80)}.",
                indices=tuple(members),
                evidence=tuple(quote(records[i].prompt_text, 80) for i in members),
                details={"fault": "template", "template": form[:200], "records": times},
            )
            return


def skeleton(text: str) -> str:
    """A text with its numbers, quotations and names taken out; empty where nothing was taken or hardly a word is
    left."""
    bare = _NUMBER.sub("…", _QUOTED.sub("…", text))
    for name in names(text):
        bare = re.sub(rf"\b{re.escape(name)}\b", "…", bare)
    bare = " ".join(bare.split())
    return bare if "…" in bare and len(words_of(bare)) >= 3 else ""


def _opening(text: str) -> str:
    words = text.split()
    return " ".join(words[:_OPENING]) if len(words) > _OPENING else ""
