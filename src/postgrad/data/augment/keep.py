"""Which made records are good enough: in form, in distance, and in what they mean. What is refused is counted and kept
aside.

In the order of cost: form and distance need no model, agreement asks one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from postgrad.answers import label_counts, parse_json
from postgrad.data.augment.method import Proposal, Refused, request_of
from postgrad.data.augment.noise import answer_values
from postgrad.data.split.synthetic import MARK
from postgrad.progress import Working
from postgrad.records import Record
from postgrad.similarity.near_duplicates import DEFAULT_THRESHOLD, exact_key, find_similar

Agree = Callable[[Sequence[Record]], Working[list[tuple[float, str] | None]]]
"""How far (0 to 1) a model's own answer agrees with each record's, and that answer; None where the budget was spent."""

LONGEST_RATIO = 3.0
"""A made request may be so many times longer or shorter than those it was made from (in letters, and 40 more are
allowed)."""
_CHATTER = re.compile(
    r"^(sure|certainly|of course|okay|here('s| is| are)|as an ai|i('m| am) sorry|i cannot|rewritten|new"
    r" message|paraphrase)\b"
    r"|\b(rewrite|paraphrase)d? (the|this|your) (message|text)|<\|",
    re.I,
)


_WORD = re.compile(r"\w+")
_INNER_NAME = re.compile(r"(?<=[a-z,] )([A-Z]\w+)")


@dataclass(frozen=True, slots=True)
class Window:
    """How near a made request may be to those it was made from, as the cosine of their embeddings.

    Attributes:
        lowest: Below it the matter has changed.
        near_own: Whether it may nearly equal its own original (noise is meant to).
    """

    lowest: float
    near_own: bool = False


WINDOWS = {"noise": Window(0.5, near_own=True), "paraphrase": Window(0.5), "examples": Window(0.2)}


@dataclass(frozen=True, slots=True)
class Augmented:
    """What was made: kept, most doubtful last asked for by `doubtful`, and refused with reasons."""

    kept: tuple[Proposal, ...]
    refused: tuple[Refused, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """Refusals by reason, commonest first."""
        return dict(Counter(r.reason for r in self.refused).most_common())

    def doubtful(self, count: int = 10) -> list[Proposal]:
        """The kept ones to look at first."""
        return sorted(self.kept, key=lambda p: -p.doubt)[:count]


def keep(
    proposals: Sequence[Proposal | Refused],
    originals: Sequence[Record],
    held: Sequence[Record],
    window: Window,
    *,
    known: Sequence[Record] = (),
    agree: Agree | None = None,
    agreement: float = 1.0,
) -> Working[Augmented]:
    """Judges proposals.

    Args:
        proposals: Of a method.
        originals: What its indices point to: the training records.
        held: Validation and test records: nothing made may resemble them.
        window: How near and how far.
        known: Further records that are there already, such as ones made before.
        agree: Asks a model to answer the made requests. None: not asked.
        agreement: From which agreement on a record is kept.
    """
    refused = [p for p in proposals if isinstance(p, Refused)]
    open_ones: list[Proposal] = []
    in_form = _form(originals)
    for proposal in (p for p in proposals if isinstance(p, Proposal)):
        if (fault := in_form(proposal)) is None:
            open_ones.append(proposal)
        else:
            refused.append(_refuse(proposal, *fault))
    open_ones, too_near = _by_distance(open_ones, originals, held, known, window)
    refused += too_near
    if agree is not None and open_ones:
        judged = yield from agree([p.record for p in open_ones])
        asked, open_ones = open_ones, []
        for proposal, found in zip(asked, judged, strict=True):
            if found is None:
                refused.append(_refuse(proposal, "budget", "the budget was spent before it could be judged"))
            elif found[0] < agreement:
                refused.append(_refuse(proposal, "no_agreement", f"it is answered with {found[1][:120]!r}"))
            else:
                why = f"{proposal.why}, agreement {found[0]:.2f}"
                open_ones.append(replace(proposal, doubt=proposal.doubt + 1 - found[0], why=why))
    return Augmented(tuple(open_ones), tuple(refused))


def _refuse(proposal: Proposal, reason: str, why: str) -> Refused:
    return Refused(reason, why, proposal.originals, proposal.record)


def _form(originals: Sequence[Record]) -> Callable[[Proposal], tuple[str, str] | None]:
    """A function that finds the fault in a proposal's form: (reason, words), or None."""
    labels = label_counts([r.answer_text for r in originals])
    keys = {frozenset(o) for r in originals if isinstance(o := parse_json(r.answer_text), dict)}

    def fault(proposal: Proposal) -> tuple[str, str] | None:
        text = request_of(proposal.record) or ""
        answer = proposal.record.answer_text
        sources = [originals[i] for i in proposal.originals]
        if not text.strip() or not answer.strip():
            return "empty", "no request or no answer"
        if _CHATTER.search(text) and not any(_CHATTER.search(request_of(s) or "") for s in sources):
            return "chatter", f"the teacher speaks, not the user: {text[:80]!r}"
        usual = max(len(request_of(s) or "") for s in sources)
        if not usual / LONGEST_RATIO - 40 <= len(text) <= usual * LONGEST_RATIO + 40:
            return "length", f"{len(text)} characters, generated from {usual}"
        if labels and answer.strip() not in labels:
            return "unknown_label", f"{answer[:60]!r} is none of the {len(labels)} labels"
        found = parse_json(answer)
        if len(keys) and (not isinstance(found, dict) or frozenset(found) not in keys):
            return "structure", "its answer does not have the keys of the others"
        copies = proposal.record.meta[MARK]["method"] != "examples"
        if copies and (lost := _lost(sources[0], text)):
            return (
                "lost_detail",
                f"the answer depends on {', '.join(map(repr, lost[:3]))}, which the request no longer contains",
            )
        return None

    return fault


def _lost(original: Record, text: str) -> list[str]:
    """What the request held and its answer copies, or numbers and codes, and what is gone from the new text."""
    before, answer = request_of(original) or "", original.answer_text
    needed = {w for w in _WORD.findall(before) if any(c.isdigit() for c in w)}
    if parse_json(answer) is not None:
        shown = before.casefold()
        needed |= {w for value in answer_values(answer) if value.casefold() in shown for w in _WORD.findall(value)}
    elif not label_counts([answer] * 5):  # a label's words say what is asked; they are not copied from it
        copied = set(_WORD.findall(answer))
        needed |= {m[1] for m in _INNER_NAME.finditer(before) if m[1] in copied}
    there = {w.casefold() for w in _WORD.findall(text)}
    return sorted(w for w in needed if w.casefold() not in there)


def _by_distance(
    proposals: list[Proposal],
    originals: Sequence[Record],
    held: Sequence[Record],
    known: Sequence[Record],
    window: Window,
) -> tuple[list[Proposal], list[Refused]]:
    """Neither a copy of anything, nor near to what tests, nor far from what it was made from; the first of two alike
    stays."""
    from postgrad.models.embeddings import embed  # here: it opens 16 MB of vectors

    if not proposals:
        return [], []
    before = [*held, *originals, *known]
    texts = [r.prompt_text for r in (*before, *(p.record for p in proposals))]
    near: dict[int, list[tuple[int, float]]] = {}
    for a, b, score in find_similar(texts, DEFAULT_THRESHOLD).pairs:
        near.setdefault(b, []).append((a, score))
    vectors = embed([request_of(r) or "" for r in (*originals, *(p.record for p in proposals))])
    seen = {exact_key(t) for t in texts[: len(before)]}
    kept: list[Proposal] = []
    refused: list[Refused] = []
    gone: set[int] = set()
    for n, proposal in enumerate(proposals):
        index = len(before) + n
        own = vectors[list(proposal.originals)] @ vectors[len(originals) + n]
        cosine = float(np.max(own))
        alike = [(a, s) for a, s in near.get(index, []) if a not in gone]
        tested = [s for a, s in alike if a < len(held)]
        fault: tuple[str, str] | None = None
        if exact_key(texts[index]) in seen:
            fault = ("repeats", "the same request already exists")
        elif tested:
            fault = ("near_held_out", f"{100 * max(tested):.0f} % like a validation or test record")
        elif alike and not window.near_own:
            other, score = max(alike, key=lambda item: item[1])
            fault = ("near_duplicate", f"{100 * score:.0f} % like {texts[other][:80]!r}")
        elif cosine < window.lowest:
            fault = ("too_far", f"cosine {cosine:.2f} to its original")
        if fault:
            gone.add(index)
            refused.append(_refuse(proposal, *fault))
        else:
            seen.add(exact_key(texts[index]))
            kept.append(replace(proposal, doubt=1 - cosine, why=f"cosine {cosine:.2f}"))
    return kept, refused
