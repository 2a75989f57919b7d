"""How results are said to a person who chooses: plain names, counts before shares, points for differences."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.arm_kinds import plain_name
from postgrad.measures import CONDUCT, NEIGHBOUR, ArmResult, Comparison, Forgetting

A_FEW = 3
"""So many benchmarks are each worth a sentence."""


def opening_name(name: str) -> str:
    """The same at the start of a sentence; a model's own name keeps its letters."""
    plain = plain_name(name)
    return plain[:1].upper() + plain[1:] if plain != name else plain


def right_or_wrong(arm: ArmResult) -> bool:
    return all(s in (0.0, 1.0) for s in arm.scores)


def achieved(arm: ArmResult, metric: str = "") -> str:
    """ "gets 71 of 100 right", or for graded scores "scores 63 points (chrF)"."""
    if right_or_wrong(arm):
        return f"gets {round(sum(arm.scores))} of {len(arm.scores)} right"
    return f"scores {points(arm.score.value)} of 100 points" + (f" ({metric})" if metric else "")


def achieved_too(arm: ArmResult) -> str:
    """The same of a second arm, once the scale is said."""
    if right_or_wrong(arm):
        return f"gets {round(sum(arm.scores))}"
    return f"scores {points(arm.score.value)}"


def points(share: float) -> str:
    """A share in points: whole ones, with a decimal below ten."""
    value = 100 * share
    text = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def usd(value: float) -> str:
    """USD: whole cents, or two digits of less than a cent."""
    return f"{value:,.2f}" if value >= 0.01 or not value else f"{value:.2g}"


def cheaper_clause(arm: ArmResult, other: ArmResult) -> str:
    """What both cost, of an arm that is cheaper by its measured price."""
    return (
        f"which is cheaper ({usd(arm.cost_per_1000 or 0)} USD for 1,000 answers, {plain_name(other.name)}"
        f" {usd(other.cost_per_1000 or 0)})"
    )


def gain_excluded(name: str, at_95: float, at_80: float) -> str:
    """Up to what gain of the arm of that plain name is not excluded."""
    if at_95 <= 0:
        return f"any gain of {name} is excluded at 95 %"
    less = f"above {points(at_80)} at 80 %" if at_80 > 0 else "any gain at 80 %"
    return f"a gain of {name} above {points(at_95)} points is excluded at 95 %, {less}"


def interval(low: float, high: float, confidence: float = 0.95) -> str:
    return f"{100 * confidence:.4g} % interval {points(low)} to {points(high)}"


def at_confidence(sentence: str, confidence: float) -> str:
    """A verdict's sentence, which speaks of differences alone, where their intervals are not taken at 95 %."""
    level = f"{100 * confidence:.4g} %"
    return sentence.replace("95 % interval", f"{level} interval").replace("excluded at 95 %", f"excluded at {level}")


def too_few(examples: int) -> str:
    """Why nothing can be told, in a few words."""
    return f"{examples} test examples are too few"


def about(count: int) -> str:
    """A count that is an estimate: two significant digits, rounded up."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // unit) * unit:,}"


def comparison_reason(c: Comparison) -> str:
    """One comparison with all its figures."""
    direction = "ahead of" if c.difference > 0 else "behind" if c.difference < 0 else "level with"
    by = f"{points(abs(c.difference))} points " if c.difference else ""
    sure = f"{interval(c.low, c.high, c.confidence)}; {_p_value('=', c.p_adjusted)} after Holm's correction"
    return f"{opening_name(c.arm)} is {by}{direction} {plain_name(c.against)} ({sure}; {c.n} examples)."


def comparison_reasons(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Comparisons of one arm with others that it is ahead of: in one sentence, the nearest first."""
    ahead = sorted((c for c in comparisons if c.difference > 0), key=lambda c: c.difference)
    if len(ahead) < 2:
        return tuple(comparison_reason(c) for c in comparisons)
    first = ahead[0]
    others = ", ".join(f"{points(c.difference)} ahead of {plain_name(c.against)}" for c in ahead[1:])
    largest = max(c.p_adjusted for c in ahead)
    sentence = (
        f"{opening_name(first.arm)} is {points(first.difference)} points ahead of {plain_name(first.against)}"
        f" ({interval(first.low, first.high, first.confidence)}), {others}; each with {_p_value('≤', largest)} after"
        f" Holm's correction, on the same {first.n} examples."
    )
    return (sentence, *(comparison_reason(c) for c in comparisons if c.difference <= 0))


def _p_value(sign: str, p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p {sign} {p:.2g}"


def forgetting_reasons(forgetting: Sequence[Forgetting]) -> list[str]:
    """The general benchmarks: a few one by one; of many the lost ones and all items together, the others by name."""
    if len(forgetting) <= A_FEW:
        return [forgetting_reason(f) for f in forgetting]
    out = [forgetting_reason(f) for f in forgetting if f.verdict == "lost" or f.kind == "together"]
    others = [f for f in forgetting if f.kind != "together"]
    kept = [plain_benchmark(f) for f in others if f.verdict == "kept"]
    if kept:
        out.append(f"Kept, a loss of {points(forgetting[0].margin)} points or more is excluded: {', '.join(kept)}.")
    open_ones = [f"{plain_benchmark(f)} ({f.n})" for f in others if f.verdict == "cannot_tell" and not f.guessed]
    if open_ones:
        out.append(
            f"Too few items to tell whether {points(forgetting[0].margin)} points were lost: {', '.join(open_ones)}."
            + _unseen([f for f in others if f.verdict == "cannot_tell" and not f.guessed])
        )
    guessed = [plain_benchmark(f) for f in others if f.guessed]
    if guessed:
        out.append(f"The base only guesses, so it has nothing to lose: {', '.join(guessed)}.")
    return out


def forgetting_reason(f: Forgetting) -> str:
    """One general benchmark, before and after."""
    figures = (
        f"{plain_benchmark(f)}: {points(f.base)} before and {points(f.tuned)} after tuning, "
        f"{interval(f.low, f.high)} for the change on {f.n:,} items"
    )
    verdicts = {
        "kept": f"a loss of {points(f.margin)} points or more is excluded",
        "lost": f"a loss of more than {points(f.margin)} points is certain",
        "cannot_tell": f"too few items to tell whether {points(f.margin)} points were lost"
        + (f", and a loss below about {points(f.seen)} points could not be seen" if f.seen else ""),
    }
    return f"{figures}; {'the base only guesses, so it has nothing to lose' if f.guessed else verdicts[f.verdict]}."


def _unseen(tests: Sequence[Forgetting]) -> str:
    """Which losses these tests could not have shown, as a sentence; empty where that was not computed."""
    seen = sorted(f.seen for f in tests if f.seen)
    if not seen:
        return ""
    least, most = points(seen[0]), points(seen[-1])
    return f" Losses below about {least if least == most else f'{least} to {most}'} points could not be seen in them."


def forgetting_clause(forgetting: Sequence[Forgetting]) -> str:
    """The end of the sentence that recommends tuning, where no ability was lost.

    What is asked in a few dozen questions is named only where it was lost: that these cannot tell says nothing.
    """
    if not forgetting:
        return "general abilities were not tested"
    clause = " and ".join(filter(None, [_general_clause(forgetting), _neighbours_clause(forgetting)]))
    lost = [plain_benchmark(f) for f in forgetting if f.kind in CONDUCT and f.verdict == "lost"]
    if not lost:
        return clause
    return f"{clause}; use it for this task only, because it lost general behaviour ({', '.join(lost)})"


def _general_clause(forgetting: Sequence[Forgetting]) -> str:
    general = [f for f in forgetting if f.kind != NEIGHBOUR]
    return _abilities_clause([f for f in general if f.kind not in CONDUCT]) if general else ""


def _neighbours_clause(forgetting: Sequence[Forgetting]) -> str:
    """What became of the user's neighbouring tasks where none was lost; empty without any."""
    tasks = [f for f in forgetting if f.kind == NEIGHBOUR]
    open_ones = [plain_benchmark(f) for f in tasks if f.verdict != "kept"]
    if not tasks:
        return ""
    if not open_ones:
        return f"the neighbouring tasks are kept ({', '.join(map(plain_benchmark, tasks))})"
    return f"no neighbouring task is known to be lost, though {' and '.join(open_ones)} had too few items to tell"


def _abilities_clause(abilities: Sequence[Forgetting]) -> str:
    if not abilities:
        return "knowledge was not tested"
    single = [f for f in abilities if f.kind != "together"]
    guessed = sum(f.guessed for f in single)
    if guessed == len(single):
        return "the base only guesses at every general benchmark, so nothing could be lost"
    aside = f" (the base only guesses at {guessed})" if guessed else ""
    open_ones = [plain_benchmark(f) for f in single if f.verdict == "cannot_tell" and not f.guessed]
    if not open_ones:
        return f"no general benchmark was lost{aside}"
    whole = next((f for f in abilities if f.kind == "together" and f.verdict == "kept"), None)
    if whole:
        return f"a loss of {points(whole.margin)} points over all {whole.n:,} general items is excluded"
    open_part = " and ".join(open_ones) if len(open_ones) < A_FEW else f"{len(open_ones)} of {len(single)}"
    known = f"no general benchmark is known to be lost, though {open_part} had too few items to tell"
    return f"{known}{aside}{_hidden(abilities)}"


def _hidden(abilities: Sequence[Forgetting]) -> str:
    """Which loss could not have been seen: over all items where they were judged together, else where it is largest."""
    known = [f for f in abilities if f.seen and not f.guessed]
    whole = next((f for f in known if f.kind == "together"), None)
    widest = whole or max(known, key=lambda f: f.seen, default=None)
    if widest is None:
        return ""
    where = f"over all {widest.n:,} items" if whole else f"in {plain_benchmark(widest)}"
    return f"; a loss below about {points(widest.seen)} points {where} could not have been seen"


def plain_benchmark(f: Forgetting) -> str:
    """A benchmark's name inside a sentence."""
    return f.name if f.kind == NEIGHBOUR else f.name.replace("_", " ")
