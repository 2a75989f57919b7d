"""Whose voice: what every way went on with from passages of raw text, beside what the author wrote there."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.arm_kinds import BASE, plain_name
from postgrad.evaluation.measure import shown_places
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.scores import Groups, score_interval
from postgrad.evaluation.texts.authorship import copied, runs_in, taken_for_author
from postgrad.evaluation.texts.passages import spread_over
from postgrad.evaluation.texts.style import Style, sentence_words, word_letters
from postgrad.measures import ArmResult
from postgrad.progress import Said, Stage, Working
from postgrad.records import Conversation
from postgrad.report.voice import VoiceExamplePart, VoicePart, VoiceRowPart
from postgrad.steps.examples import Examples

KNOWN = 400
"""Passages of the training texts that say how the author writes."""
EXAMPLES = 3
FEWEST = 20
"""Passages below which a classifier says nothing."""
AUTHOR = ""


def voices(
    choice: MetricChoice, examples: Examples, results: Sequence[ArmResult], base: str = BASE
) -> Working[VoicePart | None]:
    """Every arm's voice; None where the data is no raw text, or too little was written.

    Args:
        choice: Says how many passages every arm went on from.
        examples: The training passages say how the author writes; where there are none, those that test do.
        results: Of the arms.
        base: The arm that the classifier learns to tell from the author, with all others that are not trained.
    """
    if not examples.raw:
        return None
    places = shown_places(len(examples.test), choice)
    measured = [r for r in results if not r.stopped]
    if len(places) < FEWEST or not any(r.name == base for r in measured):
        yield Said("No measure of voice: it takes the base's own text on 20 passages at least.")
        return None
    yield Stage("voice", "Comparing voices")
    spare = examples.train or [q for i, q in enumerate(examples.test) if i not in places]
    train = [q for q in spare if isinstance(q, Conversation)]
    if len(train) < FEWEST:
        yield Said("No measure of voice: there is no other text of the author to tell by.")
        return None
    own = [examples.test[i].answer_text.strip() for i in places]
    length = max(map(len, own))
    known = [q.answer_text.strip()[:length] for q in spread_over(train, KNOWN)]
    written = {r.name: [r.answers[i].strip()[:length] for i in places] for r in measured}
    style = Style.of(known)
    others = [r.name for r in measured if r.name == base or not r.requires_training]
    taken = taken_for_author(style, own, others, known, written)
    trained_on = runs_in(q.prompt_text + q.answer_text for q in train)
    groups = [examples.groups[i] for i in places] if examples.groups else None
    rows = [
        _row(name, style, texts, taken[name], copied(texts, trained_on), groups)
        for name, texts in {AUTHOR: own, **written}.items()
    ]
    by_name = {row.arm: row for row in rows}
    telling = by_name[AUTHOR].interval[0] > by_name[base].interval[1]
    part = VoicePart(
        rows=rows,
        telling=telling,
        examples=[
            VoiceExamplePart(
                source=str(examples.test[i].source),
                beginning=examples.test[i].prompt_text,
                author=examples.test[i].answer_text,
                arms={r.name: r.answers[i] for r in measured},
            )
            for i in places[:: max(1, len(places) // EXAMPLES)][:EXAMPLES]
        ],
        sentence=_sentence(by_name, telling, measured, base),
    )
    yield Said(part.sentence)
    return part


def _row(
    name: str, style: Style, texts: Sequence[str], taken: Sequence[float], again: Sequence[float], groups: Groups
) -> VoiceRowPart:
    score = score_interval(taken, groups)
    return VoiceRowPart(
        arm=name,
        n=len(texts),
        taken=score.value,
        interval=(score.low, score.high),
        distance=style.distance(texts),
        copied=sum(again) / max(1, len(again)),
        sentence_words=sentence_words(texts),
        word_letters=word_letters(texts),
    )


def _sentence(rows: dict[str, VoiceRowPart], telling: bool, results: Sequence[ArmResult], of_base: str) -> str:
    """Who is taken for the author, the tuned model first; or that nobody can tell."""
    author, base = rows[AUTHOR], rows[of_base]
    if not telling:
        return (
            f"By style alone the author's own text ({_share(author)}) is not told from the base's ({_share(base)}), so"
            " this says nothing of voices."
        )
    tuned = next((r.name for r in reversed(results) if r.requires_training), None)
    best = max((rows[r.name] for r in results if r.name != of_base), key=lambda row: row.taken, default=base)
    asked = rows[tuned] if tuned else best
    said = (
        f"A classifier of style takes {_share(asked)} of the passages that {plain_name(asked.arm)} writes for the"
        f" author's, {_share(base)} of the base's, and {_share(author)} of the author's own."
    )
    if best.arm != asked.arm and best.taken > asked.taken:
        said += f" The nearest voice is that of {plain_name(best.arm)} ({_share(best)})."
    if asked.copied > max(0.05, author.copied):
        said += f" {100 * asked.copied:.0f} % of its passages repeat training text word for word."
    return said


def _share(row: VoiceRowPart) -> str:
    low, high = row.interval
    return f"{100 * row.taken:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
