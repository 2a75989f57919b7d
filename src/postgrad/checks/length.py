"""How long the examples are, in the tokens of the chosen model where it is known, and which do not fit into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from postgrad.checks.wording import count_of, quote, verb
from postgrad.findings import Check, Context, Finding, Repair
from postgrad.records import Record

_BUCKETS = 20


def length() -> Check:
    """Reports the lengths, and finds answers and whole examples that are longer than the model's context.

    Without a token counter lengths are in characters, and nothing is judged, because a guess would mislead.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        if not records:
            return
        count = context.count_tokens or len
        unit = "tokens" if context.count_tokens else "characters"
        answers = [count(r.answer_text) for r in records]
        totals = [count(r.prompt_text) + n for r, n in zip(records, answers, strict=True)]
        yield _spread(totals, answers, unit)
        if context.context_length and context.count_tokens:
            yield from _too_long(records, totals, answers, context.context_length)

    return check


def _spread(totals: Sequence[int], answers: Sequence[int], unit: str) -> Finding:
    return Finding(
        check="length",
        severity="info",
        sentence=f"Half of the examples have up to {median(totals):,.0f} {unit}, the longest {max(totals):,}; "
        f"half of the answers up to {median(answers):,.0f}, the longest {max(answers):,}.",
        details={
            "unit": unit,
            "median": median(totals),
            "longest": max(totals),
            "median_answer": median(answers),
            "longest_answer": max(answers),
            "histogram": histogram(totals),
            "answer_histogram": histogram(answers),
        },
    )


def histogram(lengths: Sequence[int]) -> list[list[int]]:
    """[upper edge, records] of up to twenty equal buckets; the few longest hundredth share the last."""
    ordered = sorted(lengths)
    reach = max(1, ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))])
    width = max(1, -(-reach // _BUCKETS))
    buckets = [[width * (k + 1), 0] for k in range(-(-reach // width))]
    for value in ordered:
        buckets[min(max(0, value - 1) // width, len(buckets) - 1)][1] += 1
    buckets[-1][0] = max(buckets[-1][0], ordered[-1])
    return buckets


def _too_long(
    records: Sequence[Record], totals: Sequence[int], answers: Sequence[int], limit: int
) -> Iterator[Finding]:
    """Answers that can never be learned whole (an error), and prompts that leave no room (a warning)."""
    hopeless = sorted((i for i, n in enumerate(answers) if n > limit), key=lambda i: -answers[i])
    if hopeless:
        named = ", ".join(str(records[i].source) for i in hopeless[:5])
        more = f" and {len(hopeless) - 5} more" if len(hopeless) > 5 else ""
        yield Finding(
            check="length",
            severity="error",
            sentence=f"{count_of(len(hopeless), 'answer')} {verb(len(hopeless), 'is', 'are')} longer than the model's context "
            f"of {limit:,} tokens: {named}{more}.",
            indices=tuple(hopeless),
            evidence=tuple(f"{answers[i]:,} tokens: {quote(records[i].answer_text)}" for i in hopeless),
            repairs=tuple(Repair(i, "drop", safe=False) for i in hopeless),
            details={"fault": "answer_too_long", "limit": limit, "count": len(hopeless)},
        )
    tight = sorted((i for i, n in enumerate(totals) if n > limit >= answers[i]), key=lambda i: -totals[i])
    if tight:
        yield Finding(
            check="length",
            severity="warning",
            sentence=f"{count_of(len(tight), 'example')} {verb(len(tight), 'is', 'are')} longer than the model's context of "
            f"{limit:,} tokens; the prompt would be shortened, never the answer.",
            indices=tuple(tight),
            evidence=tuple(f"{totals[i]:,} tokens: {quote(records[i].prompt_text)}" for i in tight),
            details={"fault": "example_too_long", "limit": limit, "count": len(tight)},
        )
