"""More training examples: the split as `run` makes it, a method over the training part, a judge, and two files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.data.augment import ASKING, METHODS
from postgrad.data.augment.keep import WINDOWS, Agree, Augmented, keep
from postgrad.data.augment.method import Proposal, Refused, Teacher, to_row
from postgrad.data.documents.documents import chunk_documents, read_documents
from postgrad.data.split.synthetic import MARK, is_synthetic, origin_hash
from postgrad.data.writing.writers import WRITERS, row_of
from postgrad.errors import UsageError
from postgrad.evaluation import arms
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.retrieval import Index
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.records import Message, Record
from postgrad.steps.augmenting.generated import from_description, from_passages, pairs_of
from postgrad.steps.augmenting.teacher import TeacherWish, spent, teachers, teachers_for
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.context import RunContext
from postgrad.steps.divide import divide
from postgrad.steps.read import checked_records, held_out_files
from postgrad.storage import check_writable, write_atomic

PAIRS_SHOWN = 4
"""Nearest examples that the judge is shown before it answers a made request."""
JUDGED_ORIGINALS = 20
"""So many of the user's own examples are answered too: a judge that fails on them proves nothing."""
WRITTEN, ANSWERED = 512, 256
"""Tokens of an example that is written, and of an answer."""
TEXT_AGREEMENT = 0.5
"""From this score on an answer in free text agrees; labels and JSON must be equal."""


@dataclass(frozen=True)
class Made:
    """What `postgrad augment` made.

    Attributes:
        augmented: Kept and refused.
        out: The file of kept records.
        aside: The file of refused ones with their reasons; None where there are none.
        originals: Training records that were offered.
        judge: Of the user's own examples, how many the judge answered rightly, and how many it was asked; None without
            one.
        spent: The remote teacher's usage; None for noise and local teachers.
    """

    augmented: Augmented
    out: Path
    aside: Path | None
    originals: int
    judge: tuple[int, int] | None
    spent: JsonObject | None


def augment(
    recipe: Recipe,
    paths: Sequence[Path],
    out: Path,
    method: str,
    times: int,
    teacher: TeacherWish | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Working[Made]:
    """Makes records from the training part, and writes the good ones to `out`.

    Args:
        recipe: Its `data` and `seed` say how the data is read and split; give the same to `run`.
        paths: The data.
        out: JSONL; what was refused stands beside it with `.refused` in its name.
        method: A name in `METHODS`.
        times: Proposals for each training record.
        teacher: Needed by the methods that ask.
        stopped: Asked often; when it turns true, the work stops with everything kept.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    asking = method in ASKING
    if method not in METHODS:
        raise UsageError(f"There is no method {method!r}.", f"The methods: {', '.join(METHODS)}.")
    if asking != (teacher is not None):
        wish = "Name one: --teacher URL#MODEL, or --teacher smollm2-135m-instruct" if asking else "Leave --teacher out."
        raise UsageError(f"The method {method!r} {'needs a' if asking else 'has no'} teacher.", wish)
    check_writable(out.parent)
    ctx, base, seed = RunContext.of(recipe, stopped), BaseFiles(recipe.base), recipe.seed
    remote = teacher.remote if teacher else None

    yield Stage("data", "Reading, checking and splitting the examples")
    objective = recipe.training.objective
    _, _, kept = yield from checked_records(base, recipe.data, objective, paths)
    held_files = yield from held_out_files(base, recipe.data, objective)
    parts = yield from divide(recipe.data, seed, kept, held_files)
    originals = [r for r in parts.train if not is_synthetic(r)]
    known = [r for r in parts.train if is_synthetic(r)]
    held = [*parts.validation, *parts.test]
    yield Said(f"{len(originals)} training records are used; the {len(held)} for validation and test are not.")

    yield Stage("augment", f"Generating records: {method}")
    ask, judge_ask = (None, None) if teacher is None else teachers_for(ctx, method, remote or teacher.name, originals)
    proposals = yield from METHODS[method](originals, times, seed, ask, teacher.name if teacher else None)
    judge, agree, agreement = None, None, 1.0
    if judge_ask is not None:
        yield Stage("judge", "Answering the generated requests, to verify their answers")
        agree, agreement = _judge(originals, judge_ask)
        sample = originals[:: max(1, len(originals) // JUDGED_ORIGINALS)][:JUDGED_ORIGINALS]
        found = [f for f in (yield from agree(sample)) if f is not None]
        judge = sum(score >= agreement for score, _ in found), len(found)
        weak = judge[0] < 0.5 * judge[1]
        yield Said(
            f"The teacher answers {judge[0]} of {judge[1]} of your own examples correctly"
            + ("; it rejects many good records, and its approval proves little." if weak else "."),
            warning=weak,
        )
    made = yield from keep(proposals, originals, held, WINDOWS[method], known=known, agree=agree, agreement=agreement)
    _write(out, (to_row(p.record) for p in made.kept))
    aside = _keep_aside(out, made.refused, originals)
    return Made(made, out, aside, len(originals), judge, spent(remote))


@dataclass(frozen=True)
class FromNothing:
    """Examples that are made without any.

    Attributes:
        docs: Folder of documents to ask about; None for a description alone.
        task: What is to be done, in a sentence; with documents it may be empty.
        count: Examples that are wanted from a description.
        times: Questions for each passage of the documents.
        labels: The only answers allowed; empty for free ones.
    """

    docs: Path | None
    task: str = ""
    count: int = 50
    times: int = 1
    labels: tuple[str, ...] = ()


def generate(
    recipe: Recipe,
    wish: FromNothing,
    out: Path,
    teacher: TeacherWish,
    stopped: Callable[[], bool] = lambda: False,
) -> Working[Made]:
    """Makes first examples from documents or from a description, and writes the good ones to `out`.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(out.parent)
    ctx, remote = RunContext.of(recipe, stopped), teacher.remote
    write, judge = teachers(ctx, remote or teacher.name, WRITTEN, ANSWERED)
    if wish.docs is not None:
        yield Stage("data", f"Reading the documents in {wish.docs}")
        documents = read_documents(wish.docs)
        for note in documents.notes:
            yield Said(note, warning=True)
        chunks = chunk_documents(documents.documents)
        yield Stage("augment", f"Writing questions and answers for {len(chunks)} passages")
        made = yield from from_passages(chunks, wish.times, wish.task, write, judge, teacher.name)
        offered = len(chunks)
    else:
        yield Stage("augment", f"Writing {wish.count} examples from the description")
        made = yield from from_description(wish.task, wish.count, wish.labels, ctx.seed, write, judge, teacher.name)
        offered = wish.count
    yield Said(
        "No person ever asked these requests: read them, and test on real ones before you trust a verdict on them.",
        warning=True,
    )
    _write(out, (to_row(p.record) for p in made.kept))
    return Made(made, out, _keep_aside(out, made.refused, []), offered, None, spent(remote))


def prefer(
    recipe: Recipe,
    paths: Sequence[Path],
    out: Path,
    teacher: TeacherWish,
    stopped: Callable[[], bool] = lambda: False,
) -> Working[Made]:
    """Makes pairs of a better and a worse answer to the requests of the training part: two answers of the teacher to
    each, of which it prefers one in both orders.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    check_writable(out.parent)
    ctx, base, remote = RunContext.of(recipe, stopped), BaseFiles(recipe.base), teacher.remote
    yield Stage("data", "Reading, checking and splitting the examples")
    _, _, kept = yield from checked_records(base, recipe.data, recipe.training.objective, paths)
    parts = yield from divide(recipe.data, recipe.seed, kept, (yield from held_out_files(base, recipe.data, "sft")))
    yield Stage("augment", f"Answering {len(parts.train)} requests twice, and comparing")
    write, judge = teachers(ctx, remote or teacher.name, ANSWERED, ANSWERED)
    pairs, refused = yield from pairs_of(parts.train, write, judge, teacher.name)
    _write(out, ({**row_of(pair, WRITERS["openai-preference"], table=False), **pair.meta} for pair in pairs))
    made = Augmented(tuple(Proposal(pair, (n,)) for n, pair in enumerate(pairs)), tuple(refused))
    return Made(made, out, _keep_aside(out, refused, parts.train), len(parts.train), None, spent(remote))


def _keep_aside(out: Path, refused: Sequence[Refused], originals: Sequence[Record]) -> Path | None:
    """What was not taken, a line each: the reason, the record if there is one, and where it came from."""
    path = out.with_name(f"{out.stem}.refused.jsonl")
    if not refused:
        path.unlink(missing_ok=True)
        return None
    lines = [
        {
            "reason": r.reason,
            "why": r.why,
            "of": [str(originals[i].source) for i in r.originals if i < len(originals)],
            **(to_row(r.record) if r.record else {}),
        }
        for r in refused
    ]
    return _write(path, lines)


def _write(path: Path, rows: Iterable[JsonMapping]) -> Path:
    return write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _judge(originals: Sequence[Record], ask: Teacher) -> tuple[Agree, float]:
    """Asks with the instruction and the nearest examples, never with those that a record was made from."""
    choice = choose_metric(originals)
    system = write_system_prompt(originals, choice.kind)
    index = Index([r.prompt_text for r in originals])

    def messages(record: Record) -> tuple[Message, ...]:
        near = [originals[i] for i in index.search(record.prompt_text, PAIRS_SHOWN + 3)]
        sources = set(_sources(record))
        near = [r for r in near if r.prompt_text not in sources][:PAIRS_SHOWN]
        return arms.few_shot(system, near[::-1]).ask(record)

    def _sources(record: Record) -> list[str]:
        of = record.meta.get(MARK, {}).get("of", [])
        known = {of} if isinstance(of, str) else set(of)
        return [r.prompt_text for r in originals if origin_hash(r) in known] + [record.prompt_text]

    def agree(records: Sequence[Record]) -> Working[list[tuple[float, str] | None]]:
        answers = yield from ask([messages(r) for r in records])
        return [
            None if a is None else (float(choice.primary(choice.form.take(a), r.answer_text)), a)
            for a, r in zip(answers, records, strict=True)
        ]

    return agree, TEXT_AGREEMENT if choice.kind == "generation" else 1.0
