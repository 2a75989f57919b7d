"""Which metric suits the data, and why: looked at the reference answers, said in one sentence, never asked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from postgrad.errors import UsageError
from postgrad.evaluation.answer_form import VERBATIM, AnswerForm
from postgrad.evaluation.json_schema_of import schema_of
from postgrad.evaluation.metrics import ASKING, METRICS
from postgrad.evaluation.metrics.chrf import chrf
from postgrad.evaluation.metrics.code_tests import code_tests, extract_code, find_tests, has_sandbox
from postgrad.evaluation.metrics.exact_match import containment, exact_match
from postgrad.evaluation.metrics.fact_match import fact_match
from postgrad.evaluation.metrics.json_object import are_objects, json_fields, json_match, json_valid
from postgrad.evaluation.metrics.judge import judge
from postgrad.evaluation.metrics.label import label
from postgrad.evaluation.metrics.numeric import is_quantity, numeric
from postgrad.evaluation.metrics.rouge import rouge_l
from postgrad.evaluation.metrics.sql_execution import sql_execution
from postgrad.evaluation.metrics.sql_match import sql_match
from postgrad.evaluation.metrics.support.fields import calls_of, is_question, reference_of
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.evaluation.metrics.support.normal import plain
from postgrad.evaluation.metrics.support.sql_text import extract_sql, is_sql
from postgrad.evaluation.metrics.token_f1 import token_f1
from postgrad.evaluation.metrics.tool_calls import tool_calls, wanted_calls
from postgrad.records import Message, Preference, Record

Kind = Literal["classification", "extraction", "generation", "preference", "reinforcement", "text"]

LABEL_WORDS = 8
"""A label has at most so many words."""
FACT_WORDS = 6
"""A fact has at most so many words."""
WORDING = (
    "The answers are free text, so likeness to the reference is measured on characters (chrF): closeness to its"
    " wording, not whether an answer is right or good. A model can judge that: --set evaluation.judge=MODEL gives"
    " points (the metric judge), with --metric pairwise it says which is better, answer or reference."
)
"""What is said where nothing better than likeness can be measured, with the commands for something better."""
GRADES = 10
"""At most so many different numbers are grades, hence labels; more are measurements, even if they recur."""
OF_OTHER_RECORDS = ("reward_accuracy", "rated_accuracy", "reward", "bits_saved")
"""Metrics of pairs, ratings and raw text."""
_MOST = 0.95
"""What holds for so many answers holds for the set: one odd row in twenty must not turn labels into prose."""


@dataclass(frozen=True, slots=True)
class MetricChoice:
    """The metrics of a task: `primary` decides, `secondary` informs, `why` explains; `form` says what of a generated
    text is the answer that they judge; `shown`, whether answers are judged besides by something else; `samples`, how
    many answers are generated where the metrics judge none (None: a few to read)."""

    primary: Metric
    secondary: tuple[Metric, ...]
    kind: Kind
    why: str
    form: AnswerForm = VERBATIM
    shown: bool = False
    samples: int | None = None

    @property
    def reads_answers(self) -> bool:
        """Whether anything is judged by what an arm says."""
        return self.shown or any(m.judges_answers for m in (self.primary, *self.secondary))

    def measure(
        self, answers: Sequence[str], records: Sequence[Record], asked: Sequence[tuple[Message, ...]] = ()
    ) -> MetricResult:
        """The primary scores, with every figure and table of the whole set by name (each metric's mean too).

        Args:
            answers: What an arm generated.
            records: What it was asked, in the same order.
            asked: The messages it was asked with.

        Returns:
            With the figure `as_generated` where the form took something away: the mean of the primary scores without
            that, but for metrics that ask a model.
        """
        generated = [
            Case(answer, reference_of(record), record, asked[i] if asked else ())
            for i, (answer, record) in enumerate(zip(answers, records, strict=True))
        ]
        if not generated:
            return MetricResult(())
        cases = [replace(case, answer=self.form.take(case.answer)) for case in generated]
        found = [metric.measure(cases) for metric in (self.primary, *self.secondary)]
        figures, details, remarks = self._as_generated(generated, cases, found[0].scores), {}, ()
        for metric, measured in zip((self.primary, *self.secondary), found, strict=True):
            figures |= {metric.name: measured.mean, **measured.figures}
            details |= {metric.name: dict(measured.details)} if measured.details else {}
            remarks += measured.remarks
        return MetricResult(found[0].scores, figures, details, remarks)

    def parts(self, answers: Sequence[str], records: Sequence[Record]) -> Mapping[str, tuple[float, ...]]:
        """The primary scores of each part of the answers by its name (of objects their fields); empty without parts."""
        cases = [Case(self.form.take(a), reference_of(r), r) for a, r in zip(answers, records, strict=True)]
        return self.primary.parts(cases)

    def _as_generated(
        self, generated: Sequence[Case], cases: Sequence[Case], scores: Sequence[float]
    ) -> dict[str, float]:
        changed = [i for i, (raw, case) in enumerate(zip(generated, cases, strict=True)) if raw.answer != case.answer]
        if not changed or self.primary.name in ASKING:
            return {}
        strict = self.primary.measure([generated[i] for i in changed]).scores
        gained = sum(scores[i] - value for i, value in zip(changed, strict, strict=True))
        return {"as_generated": sum(scores) / len(scores) - gained / len(scores)}

    def cautions(self, records: Sequence[Record]) -> tuple[str, ...]:
        """What a reader must know of these test records before any score: a class alone, a majority that wins by
        itself."""
        answers = [reference_of(r) for r in records]
        distinct = {plain(a) for a in answers}
        if len(answers) > 1 and len(distinct) == 1:
            return (
                (
                    f"All {len(answers)} test examples have the same answer ({answers[0].strip()[:60]!r}): an arm that"
                    " always says that scores 100 %, so the test cannot tell whether anything was learned. Give"
                    " examples of other answers."
                ),
            )
        if self.kind != "classification":
            return ()
        often = max(distinct, key=lambda d: sum(plain(a) == d for a in answers))
        share = sum(plain(a) == often for a in answers) / len(answers)
        if share < 0.8:
            return ()
        return (
            (
                f"{100 * share:.0f} % of the test examples are {often!r}: always answering that would score as much;"
                " look at macro_f1."
            ),
        )


def choose_metric(
    records: Sequence[Record], metric: str | None = None, means: MetricResources | None = None
) -> MetricChoice:
    """The metrics for these records.

    Args:
        records: All records of the task (training part too: the rule needs the whole set of labels).
        metric: The user's own choice of primary metric, spelled as in `metric_named`.
        means: What metrics may use besides text.

    Raises:
        UsageError: The records have no reference answers; the name is unknown; or that metric cannot judge this data.
    """
    kept = [r for r in records if not isinstance(r, Preference) and (r.answer_text.strip() or calls_of(r))]
    if not kept:
        raise UsageError(
            f"None of the {len(records)} records has a reference answer, so no metric can judge an answer.",
            "Give input–output pairs (or chat messages that end with the assistant), or a reference for each prompt.",
        )
    cases = [Case("", reference_of(r), r) for r in kept]
    if metric is None:
        return _from_answers(cases, means)
    chosen = _from_answers(cases)
    primary = metric_named(metric, means)
    sentence = primary.unfit(cases)
    if sentence:
        raise UsageError(
            f"The metric {metric!r} cannot judge this data: {sentence}.",
            f"Leave --metric out to take {chosen.primary.name!r}: {chosen.why}\n"
            f"Metrics that can judge it: {possible(cases)}.",
        )
    rest = tuple(m for m in (chosen.primary, *chosen.secondary) if m.name != primary.name)
    why = f"You asked for {metric}: {primary.title}. Without that: {chosen.why}"
    return MetricChoice(primary, rest, chosen.kind, why, VERBATIM if primary.judges_form else chosen.form)


def possible(cases: Sequence[Case]) -> str:
    """The metrics that can judge these cases, those that need options or a judge last."""
    fit, need = [], [name for name in ASKING if name not in OF_OTHER_RECORDS]
    for name, make in METRICS.items():
        try:
            made = make()
        except UsageError:
            need.insert(0, name)
            continue
        if not made.unfit(cases):
            fit.append(name)
    return f"{', '.join(fit)}; with options or a judge: {', '.join(n for n in need if n != 'code_tests')}"


def _from_answers(cases: Sequence[Case], means: MetricResources | None = None) -> MetricChoice:
    """The rule, from the narrowest kind to the widest; free text is judged by the judge of `means`, if there is one."""
    references, n = [c.reference for c in cases], len(cases)
    if any(wanted_calls(c) for c in cases) and not tool_calls().unfit(cases):
        called = sum(bool(wanted_calls(c)) for c in cases)
        why = f"The right answers call tools ({called} of {n}), so an answer is right when its calls are."
        return MetricChoice(tool_calls(), (), "extraction", why)
    if are_objects(references):
        why = "The answers are JSON objects, so an answer is right when its whole object is."
        form = AnswerForm(schema=json.dumps(schema_of(references)))
        return MetricChoice(json_match(), (json_fields(), json_valid()), "extraction", why, form)
    special = _code(cases) or _sql(cases)
    if special:
        return special
    distinct = {plain(r) for r in references}
    numbers = _most(is_quantity(r) for r in references)
    recur = _most_within(references, LABEL_WORDS) and len(distinct) <= max(2, n // 3)
    if recur and not (numbers and len(distinct) > GRADES):
        why = f"The {n} answers are {len(distinct)} labels that recur, so an answer is right when its label is."
        spelled = _spellings(references)
        form = AnswerForm.of(references, spelled)
        return MetricChoice(label(labels=sorted(distinct)), (), "classification", why, form)
    if numbers:
        why = "The answers are numbers, so an answer is right when its number is."
        return MetricChoice(numeric(), (exact_match(),), "extraction", why)
    if _most("####" in r for r in references) and not numeric().unfit(cases):
        why = "The answers end in a number after ####, so an answer is right when that number is, whatever leads to it."
        return MetricChoice(numeric(), (chrf(),), "generation", why)
    if _most_within(references, FACT_WORDS):
        form, further = AnswerForm.of(references), (containment(), exact_match())
        if _are_facts(cases):
            why = (
                f"The answers are short facts of at most {FACT_WORDS} words, so an answer is right when it states the"
                " numbers, dates and key words of the reference and none against them."
            )
            return MetricChoice(fact_match(), (token_f1(), *further), "extraction", why, form)
        why = f"The answers are short texts of at most {FACT_WORDS} words, so words in common with the reference count."
        return MetricChoice(token_f1(), further, "extraction", why, form)
    likeness, form = (chrf(), token_f1(), rouge_l()), AnswerForm.of(references)
    if means is not None and means.ask is not None:
        why = (
            f"The answers are free text and {means.judge or 'a judge'} is named as judge, so it gives each answer"
            " points against the reference (--metric chrf measures likeness of wording instead, --metric pairwise asks"
            " which is better)."
        )
        return MetricChoice(judge(means), likeness, "generation", why, form)
    return MetricChoice(likeness[0], likeness[1:], "generation", WORDING, form)


def _are_facts(cases: Sequence[Case]) -> bool:
    """Whether most requests are questions, or most short answers hold a figure or a name."""
    asked = sum(is_question(c.record.prompt_text) for c in cases if c.record)
    named = sum(
        any(map(str.isdigit, c.reference)) or any(w[:1].isupper() for w in c.reference.split()[1:]) for c in cases
    )
    return max(asked, named) > len(cases) / 2


def _spellings(references: Sequence[str]) -> list[str]:
    """Labels in the spelling that most references give them, in the order of the alphabet."""
    counts: dict[str, Counter[str]] = {}
    for reference in references:
        counts.setdefault(plain(reference), Counter())[reference.strip()] += 1
    return sorted(spellings.most_common(1)[0][0] for spellings in counts.values())


def _code(cases: Sequence[Case]) -> MetricChoice | None:
    """Programs with tests; without a sandbox they are compared as text, and that is said."""
    if not _most(bool(find_tests(c.record)) and _is_python(extract_code(c.reference)) for c in cases):
        return None
    if has_sandbox():
        why = "The answers are Python programs with tests, so an answer is right when its program passes them."
        return MetricChoice(code_tests(), (chrf(),), "generation", why)
    why = (
        "The answers are Python programs with tests, but this machine has no sandbox to run them in, so likeness to the"
        " reference is measured on characters (chrF). Install bubblewrap to run the tests."
    )
    return MetricChoice(chrf(), (token_f1(),), "generation", why)


def _sql(cases: Sequence[Case]) -> MetricChoice | None:
    if not _most(is_sql(extract_sql(c.reference)) for c in cases):
        return None
    fault = sql_execution().unfit(cases)
    if not fault:
        why = "The answers are SQL and come with a schema, so an answer is right when it gives the right rows."
        return MetricChoice(sql_execution(), (sql_match(),), "generation", why)
    why = (
        f"The answers are SQL that cannot be executed here ({fault.split(' (')[0]}), so an answer is right when its"
        " text is, spelling aside. With a schema rows are compared: --metric 'sql_execution(schema=schema.sql)'."
    )
    return MetricChoice(sql_match(), (chrf(),), "generation", why)


def _is_python(text: str) -> bool:
    try:
        compile(text, "answer", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(word in text for word in ("def ", "class ", "import ", "print(", "=", "lambda"))


def _most(values: Iterable[bool]) -> bool:
    found = list(values)
    return sum(found) >= _MOST * len(found)


def _most_within(references: Sequence[str], limit: int) -> bool:
    return _most(len(r.split()) <= limit and len(r) <= 12 * limit for r in references)
