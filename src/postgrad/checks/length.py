"""How long the examples are, in the tokens of the chosen model where it is known, and which do not fit into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from postgrad.checks.structure import messages_of
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record

_BUCKETS = 20
_MAX_BYTES_A_LETTER = 4


@check_factory(
    harm=60,
    advice="Choose a model with a longer context, or shorten these records; nothing is cut silently.",
)
def length(*, sample: int = 10_000) -> Check:
    """Reports the lengths, and finds answers and whole examples that are longer than the model's context.

    Without a token counter lengths are in characters, and nothing is judged, because a guess would mislead. Whether a
    record fits is always looked up where it could fail: no text has more tokens than bytes.

    Args:
        sample: The spread is told from at most so many records, evenly over the set, because counting tokens is slow.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        if not records:
            return
        count = context.count_tokens or len
        seen = records[:: -(-len(records) // sample)]
        answers = [count(r.answer_text) for r in seen]
        totals = [count(_asked(r)) + n for r, n in zip(seen, answers, strict=True)]
        yield _spread(totals, answers, "tokens" if context.count_tokens else "characters")
        if context.context_length and context.count_tokens:
            yield from _too_long(records, context.count_tokens, context.context_length)

    return check


def _asked(record: Record) -> str:
    """All that stands before the answer: the instruction and earlier turns too."""
    system = [m.content for m in messages_of(record) if m.role == "system"]
    return "\n".join((*system, record.prompt_text))


def _spread(totals: Sequence[int], answers: Sequence[int], unit: str) -> Finding:
    return Finding(
        check="length",
        severity="info",
        sentence=(
            f"Half of the examples have up to {median(totals):,.0f} {unit}, the longest {max(totals):,}; "
            f"half of the answers up to {median(answers):,.0f}, the longest {max(answers):,}."
        ),
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


def _too_long(records: Sequence[Record], count: Callable[[str], int], limit: int) -> Iterator[Finding]:
    """Answers that can never be learned whole (an error), and prompts that leave no room (a warning)."""
    answers: dict[int, int] = {}
    totals: dict[int, int] = {}
    for index, record in enumerate(records):
        asked, answer = _asked(record), record.answer_text
        if len(asked) + len(answer) <= limit // _MAX_BYTES_A_LETTER or _bytes(asked) + _bytes(answer) <= limit:
            continue
        tokens = count(answer)
        if tokens > limit:
            answers[index] = tokens
        elif (total := tokens + count(asked)) > limit:
            totals[index] = total
    hopeless = sorted(answers, key=lambda i: -answers[i])
    if hopeless:
        named = ", ".join(str(records[i].source) or f"record {i + 1}" for i in hopeless[:5])
        more = f" and {len(hopeless) - 5} more" if len(hopeless) > 5 else ""
        yield Finding(
            check="length",
            severity="error",
            sentence=(
                f"{count_of(len(hopeless), 'answer')} {verb(len(hopeless), 'is', 'are')} longer than the model's"
                f" context of {limit:,} tokens: {named}{more}."
            ),
            indices=tuple(hopeless),
            evidence=reasons(hopeless, lambda i: f"{answers[i]:,} tokens: {quote(records[i].answer_text)}"),
            repairs=tuple(Repair(i, "drop", safe=False) for i in hopeless),
            details={"fault": "answer_too_long", "limit": limit, "count": len(hopeless)},
        )
    tight = sorted(totals, key=lambda i: -totals[i])
    if tight:
        yield Finding(
            check="length",
            severity="warning",
            sentence=(
                f"{count_of(len(tight), 'example')} {verb(len(tight), 'is', 'are')} longer than the model's context of "
                f"{limit:,} tokens; the prompt would be shortened, never the answer."
            ),
            indices=tuple(tight),
            evidence=reasons(tight, lambda i: f"{totals[i]:,} tokens: {quote(records[i].prompt_text)}"),
            details={"fault": "example_too_long", "limit": limit, "count": len(tight)},
        )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
