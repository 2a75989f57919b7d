"""How results are said to a person who chooses: plain names, counts before shares, points for differences."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.measures import ArmResult, Comparison, Forgetting

_NAMES = {
    "base": "the untouched base model",
    "prompted": "a written prompt",
    "few_shot": "few-shot prompting",
    "optimised_prompt": "an optimised prompt",
    "rag": "retrieval (RAG)",
    "remote": "the remote model",
    "fine_tuned": "the tuned model",
    "fine_tuned+rag": "the tuned model with retrieval",
}


def plain_name(name: str) -> str:
    """The arm as a manager would call it; `ARM @ BASE` is that arm on one of several bases."""
    arm, at, base = name.partition(" @ ")
    if at and arm in _NAMES:
        return f"the untouched {base}" if arm == "base" else f"{_NAMES[arm]} on {base}"
    return _NAMES.get(name, name)


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


def interval(low: float, high: float) -> str:
    return f"95 % interval {points(low)} to {points(high)}"


def about(count: int) -> str:
    """A count that is an estimate: two significant digits, rounded up."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // unit) * unit:,}"


def comparison_reason(c: Comparison) -> str:
    """One comparison with all its figures."""
    direction = "ahead of" if c.difference > 0 else "behind" if c.difference < 0 else "level with"
    by = f"{points(abs(c.difference))} points " if c.difference else ""
    return (
        f"{opening_name(c.arm)} is {by}{direction} {plain_name(c.against)} "
        f"({interval(c.low, c.high)}; {_p_value(c.p_adjusted)} after Holm's correction; {c.n} examples)."
    )


def _p_value(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def forgetting_reason(f: Forgetting) -> str:
    """One general benchmark, before and after."""
    figures = (
        f"{f.name}: {points(f.base)} before and {points(f.tuned)} after tuning, "
        f"{interval(f.low, f.high)} for the change on {f.n} items"
    )
    verdicts = {
        "kept": f"a loss of {points(f.margin)} points or more is excluded",
        "lost": f"a loss of more than {points(f.margin)} points is certain",
        "cannot_tell": f"too few items to tell whether {points(f.margin)} points were lost",
    }
    return f"{figures}; {verdicts[f.verdict]}."


def forgetting_clause(forgetting: Sequence[Forgetting]) -> str:
    """The end of the sentence that recommends tuning, where nothing was lost."""
    if not forgetting:
        return "general abilities were not tested"
    open_ones = [f.name for f in forgetting if f.verdict == "cannot_tell"]
    if open_ones:
        return f"no general benchmark is known to be lost, though {' and '.join(open_ones)} had too few items to tell"
    return "no general benchmark was lost"
