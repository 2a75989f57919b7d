"""Whose answers are better: every arm's beside the base's, judged in both orders, after the judge itself was asked
about pairs that people have judged; and what people voted."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.arm_kinds import BASE, plain_name
from postgrad.errors import DataError
from postgrad.evaluation.metrics.pairwise import Duels, duels
from postgrad.evaluation.metrics.support.metric import AskModel, MetricResources
from postgrad.evaluation.questions import REJECTED
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.evaluation.win_rate import Vote, length_controlled, read_votes
from postgrad.measures import ArmResult, Score
from postgrad.progress import Said, Stage, Working
from postgrad.report.preferences import PreferencesPart, WinRatePart
from postgrad.steps.examples import Examples

WORTH = {"a": 1.0, "b": 0.0, "tie": 0.5}


def win_rates(
    means: MetricResources, examples: Examples, results: Sequence[ArmResult], votes: str | None, against: str = BASE
) -> Working[PreferencesPart | None]:
    """Win rates by the judge of `means`, and by a file of votes; None where there is neither.

    Args:
        against: The arm whose answers the others' are held against.

    Raises:
        UsageError, DataError: the votes cannot be read.
    """
    counted = _voted(read_votes(votes), against) if votes else []
    base = next((r for r in results if r.name == against and not r.stopped), None)
    others = [r for r in results if r.name != against and not r.stopped]
    if means.ask is None or base is None or not others or not all(REJECTED in q.meta for q in examples.test):
        if not counted:
            return None
        part = PreferencesPart(win_rates=counted, sentence=_sentence(None, counted))
        yield Said(part.sentence)
        return part
    yield Stage("win_rates", "Asking the judge whose answers are better")
    try:
        agreed, first = _agreement(means, examples)
    except DataError as error:
        sentence = f"There are no win rates by the judge: {error.message}"
        part = PreferencesPart(judge=means.judge, win_rates=counted, sentence=sentence)
        yield Said(part.sentence, warning=True)
        return part
    judged: list[WinRatePart] = []
    for other in others:
        try:
            judged.append(_judged(means.ask, means.judge, examples, base, other))
        except DataError as error:
            yield Said(f"No win rate of {plain_name(other.name)}: {error.message}", warning=True)
    part = PreferencesPart(
        judge=means.judge,
        agreement=agreed.value,
        agreement_interval=(agreed.low, agreed.high),
        agreement_pairs=agreed.n,
        first_place=first,
        win_rates=[*judged, *counted],
        sentence=_sentence(agreed, [*judged, *counted]),
    )
    yield Said(part.sentence)
    return part


def _agreement(means: MetricResources, examples: Examples) -> tuple[Score, float]:
    """How often the judge chooses what people chose, of the pairs of the test part."""
    assert means.ask is not None
    pairs = [(q.prompt_text, q.answer_text, str(q.meta[REJECTED])) for q in examples.test]
    found = duels(means.ask, pairs, name=means.judge)
    return score_interval([WORTH[w] for w in found.winners], examples.groups), found.first_place


def _judged(ask: AskModel, name: str, examples: Examples, base: ArmResult, other: ArmResult) -> WinRatePart:
    asked = [
        (q.prompt_text, answer, against)
        for q, answer, against in zip(examples.test, other.answers, base.answers, strict=True)
    ]
    found: Duels = duels(ask, asked, name=name)
    wins = [WORTH[w] for w in found.winners]
    rate = score_interval(wins, examples.groups)
    lengths = [len(a) for a in other.answers], [len(a) for a in base.answers]
    return _part(other.name, base.name, "judge", wins, rate, length_controlled(wins, *lengths))


def _voted(votes: Sequence[Vote], against: str) -> list[WinRatePart]:
    """The votes by pair of arms, the commonest pair first; several votes on one request belong together.

    Args:
        against: An arm that stands second wherever it is.
    """
    by_pair: dict[tuple[str, str], list[Vote]] = {}
    for vote in votes:
        turned = (vote.against, vote.arm) in by_pair or vote.arm == against
        pair = (vote.against, vote.arm) if turned else (vote.arm, vote.against)
        by_pair.setdefault(pair, []).append(Vote(vote.prompt, *pair, 1 - vote.won if turned else vote.won))
    out: list[WinRatePart] = []
    for (arm, against), found in sorted(by_pair.items(), key=lambda item: -len(item[1])):
        wins = [v.won for v in found]
        out.append(_part(arm, against, "people", wins, score_interval(wins, [v.prompt for v in found]), None))
    return out


def _part(arm: str, against: str, by: str, wins: Sequence[float], rate: Score, controlled: float | None) -> WinRatePart:
    return WinRatePart.model_validate(
        {
            "arm": arm,
            "against": against,
            "by": by,
            "n": len(wins),
            "wins": sum(w == 1 for w in wins),
            "ties": sum(w == 0.5 for w in wins),
            "rate": rate.value,
            "interval": (rate.low, rate.high),
            "length_controlled": controlled,
        }
    )


def _sentence(agreed: Score | None, rates: Sequence[WinRatePart]) -> str:
    """Whether the judge is to be believed, then the best rate of each source."""
    said: list[str] = []
    if agreed is not None:
        said.append(f"Of {agreed.n} pairs that people judged, the judge chooses the same answer in {agreed.in_words}.")
        if agreed.low <= 0.5:
            said.append("That may be chance: its win rates say nothing of what people would prefer.")
    for by, who in (("judge", "The judge prefers"), ("people", "People prefer")):
        best = max((r for r in rates if r.by == by), key=lambda r: r.rate, default=None)
        if best is not None:
            low, high = best.interval
            said.append(
                f"{who} the answers of {plain_name(best.arm)} to those of {plain_name(best.against)} in"
                f" {100 * best.rate:.0f} % of {best.n} (95 % interval {100 * low:.0f} to {100 * high:.0f}; ties count"
                " half)."
            )
    return " ".join(said)
