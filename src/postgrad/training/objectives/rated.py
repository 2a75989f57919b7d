"""What objectives on ratings share: answers that were wanted or not, what the starting model says of them, and how far
the model has moved on answers that are not theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from postgrad.errors import DataError
from postgrad.models.rendering.ratings import RenderedRating, crossed, render_rating
from postgrad.models.rendering.render import Rendered
from postgrad.progress import Working
from postgrad.records import Rating, Record
from postgrad.training.batching import microbatches
from postgrad.training.guards.likelihoods import CHOSEN
from postgrad.training.objectives.base import Objective, Prepared, Setup, Start
from postgrad.training.objectives.preparing import prepared

if TYPE_CHECKING:
    from postgrad.training.forward import Forward

FIGURES = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "kl", CHOSEN)
"""As TRL calls them: β × (log p − log p₀) of wanted and of unwanted answers; accuracies count answers on the side of z
where they belong; the last one is the mean log-probability of a token of wanted answers."""


class RatedObjective(Objective):
    """An objective on ratings; to make one, say in `loss` what an answer's likelihood is worth.

    Attributes:
        lambdas: What unwanted and wanted answers count; None before the first records were prepared.
        reference: By example, the starting model's likelihood of its answer, and of another's answer to its prompt.
        moved: z of the present step, in nats.

    Args:
        name: As in `OBJECTIVES`.
        setup: Decides ids, which tokens are an answer's, and what happens to what is too long.
        given: λ of unwanted and of wanted answers, where the user says them.
    """

    def __init__(self, name: str, setup: Setup, given: tuple[float | None, float | None]) -> None:
        super().__init__(FIGURES)
        self.name, self.setup, self.given = name, setup, given
        self.lambdas: tuple[float, float] | None = None
        self.reference: dict[int, tuple[float, ...]] = {}
        self.crossed: dict[int, Rendered] = {}
        self.moved = 0.0
        self._start: Start | None = None

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Renders ratings; all faulty ones are named in one error, and so is a set of one kind alone."""
        r = self.setup
        found = prepared(
            records,
            Rating,
            lambda record: render_rating(r.renderer, record, r.max_length, r.too_long),
            "ratings",
            f"{self.name} trains on ratings",
            "Give a prompt, an answer and whether it is good; pairs of answers are for --objective dpo.",
        )
        if self.lambdas is None and found.examples:  # of what is trained on; validation comes after it
            self.lambdas = self._balanced([e.good for e in ratings(found.examples)])
        return found

    def _balanced(self, good: Sequence[bool]) -> tuple[float, float]:
        if len(set(good)) == 1:
            kind = "good" if good[0] else "bad"
            raise DataError(f"All {len(good)} ratings are {kind}: there is nothing to tell apart.", "Add others.")
        most = max(sum(good), len(good) - sum(good))
        bad, wanted = self.given
        return bad or most / (len(good) - sum(good)), wanted or most / sum(good)

    def weight(self, example: Rendered) -> float:
        """Every answer counts alike, however long it is."""
        return 1.0

    def guess(self, vocabulary: int) -> float:
        return float("inf")

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Computes the starting model's likelihoods, of every answer to its own and to another prompt, once."""
        from postgrad.training.reference import reference_sums  # here, because the spec is read without torch

        self._start = start
        for part in map(ratings, (examples, held)):
            beside = [*part[-1:], *part[:-1]]
            room = self.setup.renderer.context
            self.crossed |= {id(e): crossed(e, other, room) for e, other in zip(part, beside, strict=True)}
        both = [*examples, *held]
        sums = yield from reference_sums(start, both, [(e, self.crossed[id(e)]) for e in both])
        self.reference = {id(e): values for e, values in zip(both, sums, strict=True)}

    def batch(self, drawn: Sequence[Rendered], step: int) -> list[Rendered] | None:
        """The examples, after it was taken how far the model has moved on answers that are not theirs."""
        assert self._start is not None
        self.moved = self.measure(self._start.forward, drawn)
        return list(drawn)

    def measure(self, forward: Forward, examples: Sequence[Rendered]) -> float:
        """z, in nats."""
        import torch  # as above

        from postgrad.models.device import sums_in  # here: it loads torch
        from postgrad.training.sequences import token_logprobs  # here: it loads torch

        assert self._start is not None
        before = sum(self.reference[id(e)][1] for e in examples)
        with torch.no_grad():
            parts = microbatches([self.crossed[id(e)] for e in examples], self._start.token_budget)
            now = sum(v.to(sums_in(v)).sum().item() for part in parts for v in token_logprobs(forward, part))
        return max(0.0, (now - before) / len(examples))


def ratings(batch: Sequence[Rendered]) -> list[RenderedRating]:
    """The examples as the ratings that `prepare` made."""
    return [e for e in batch if isinstance(e, RenderedRating)]
