"""Measuring an arm: ask the model, keep every answer as it comes, score them all.

Answers are stored one line each under the hash of model, adapter, decoding and precision, so that an interrupted
measurement goes on where it stopped and a changed arm alone is asked again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from postgrad.costs import MachinePrice, cost_of
from postgrad.errors import DataError, Interrupted
from postgrad.evaluation.answer_grammar import AnswerGrammar, answer_grammar
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.form_faults import form_faults
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.scores import Groups, score_interval
from postgrad.measures import ArmResult, FormFaults
from postgrad.models.generation.decoding import room_to_think
from postgrad.models.generation.generate import Begun, Completion, Decoding, complete, remark
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Renderer
from postgrad.progress import Progress, Said, Working
from postgrad.records import Conversation, Message, Record, tools_of, turns_of
from postgrad.storage import StageStore, code_version, sha256_json, storing

FREE_ROOM = 256
"""Tokens that an answer may take where no right answer is known."""
SHOWN = 24
"""Answers that are generated where none is judged and the choice of metrics names no number."""
DRAWN_AT = 1.0
"""Temperature of answers of which the best is chosen."""
NOT_GENERATED = "(not generated: the verdict rests on likelihoods)"
NO_MODEL = "no language model"
"""What a report says where the name of the model that answered would stand."""


@dataclass(frozen=True)
class Answers:
    """The kept answers of one model under one decoding, by hash of the prompt's ids.

    Attributes:
        path: Their file, one line each.
        known: Those that there are.
        of: Those of the same model under another decoding.
        begun: Beginnings that the same model has read.
    """

    path: Path
    known: dict[str, Completion]
    of: Callable[[Decoding], Answers]
    begun: Begun = field(default_factory=Begun)

    @classmethod
    def open(cls, store: StageStore, model_hash: str, adapter: str | None, decoding: Decoding, dtype: str) -> Answers:
        def of(other: Decoding) -> Answers:
            return cls.open(store, model_hash, adapter, other, dtype)

        key = sha256_json([model_hash, adapter, asdict(decoding), dtype, code_version("models")])
        path = store.path("answers", key).with_suffix(".jsonl")
        known: dict[str, Completion] = {}
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                try:
                    raw = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the line that was being written when the power went
                prompt = raw.pop("prompt")
                known[prompt] = Completion(**raw)
        return cls(path, known, of, _begun(path.parent, model_hash, adapter, dtype))

    def keep(self, prompt_hash: str, completion: Completion) -> None:
        self.known[prompt_hash] = completion
        with storing(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"prompt": prompt_hash, **asdict(completion)}) + "\n")


@functools.lru_cache(maxsize=1)
def _begun(kept_in: Path, model_hash: str, adapter: str | None, dtype: str) -> Begun:
    """What the model that is measured just now has read: of one at a time, for it takes memory. It belongs to the same
    weights as the answers that are kept there."""
    del kept_in, model_hash, adapter, dtype
    return Begun()


def ids_hash(ids: Sequence[int]) -> str:
    """A short hash of token ids."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:32]


def answer(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    answers: Answers,
    stopped: Callable[[], bool],
    grammar: AnswerGrammar | None = None,
) -> Working[list[Completion]]:
    """Answers of all prompts in order, asking only for those not kept yet.

    Args:
        grammar: What the answers are held to while they are generated.

    Raises:
        Interrupted: `stopped()` turned true; what came until then is kept.
    """
    hashes = [ids_hash(p) + (grammar.key if grammar else "") for p in prompts]
    chooser = (lambda: grammar.chooser(decoding)) if grammar else None
    open_places = list({h: i for i, h in enumerate(hashes) if h not in answers.known}.values())
    done = len(prompts) - len(open_places)
    if open_places and (note := remark(model)):
        yield Said(note)
    yield Progress(done, len(prompts), "answers")
    waiting = [prompts[i] for i in open_places]
    for place, completion in complete(model, waiting, decoding, chooser=chooser, stopped=stopped, begun=answers.begun):
        answers.keep(hashes[open_places[place]], completion)
        done += 1
        yield Progress(done, len(prompts), "answers")
    if stopped():
        raise Interrupted("Interrupted while the arms were being measured; the answers so far are kept.")
    return [answers.known[h] for h in hashes]


@dataclass(frozen=True)
class Measuring:
    """How a model is measured: the same for every arm that it answers.

    Attributes:
        model: As it stands, with the weights that it uses.
        answers: Those that are kept of it.
        price: Of the machine.
        stopped: Asked often; when it turns true, the work stops with everything kept.
    """

    model: LanguageModel
    decoding: Decoding
    answers: Answers
    price: MachinePrice
    stopped: Callable[[], bool]

    def with_room(self, tokens: int) -> Measuring:
        """The same with another limit for answers."""
        decoding = replace(self.decoding, max_new_tokens=tokens)
        return replace(self, decoding=decoding, answers=self.answers.of(decoding))


@dataclass(frozen=True)
class PreparedArm:
    """An arm with what it asks for each record: the messages, and the ids that the model reads."""

    arm: Arm
    records: Sequence[Record]
    messages: Sequence[tuple[Message, ...]]
    ids: Sequence[Sequence[int]]

    @classmethod
    def of(cls, arm: Arm, renderer: Renderer, records: Sequence[Record]) -> PreparedArm:
        """Has the arm ask for each record."""
        messages = [arm.ask(r) for r in records]
        if arm.reply is not None:
            return cls(arm, records, messages, [()] * len(records))
        ids = [renderer.prompt_ids(m, tools_of(r)) for m, r in zip(messages, records, strict=True)]
        return cls(arm, records, messages, ids)

    @property
    def name(self) -> str:
        return self.arm.name


def measure(how: Measuring, asked: PreparedArm, choice: MetricChoice, groups: Groups = None) -> Working[ArmResult]:
    """One arm on its records."""
    reply = asked.arm.reply
    if reply is not None:
        completions = reply(asked.records)
    elif asked.arm.draws:
        completions = yield from _best_of(how, asked, choice)
    elif not choice.reads_answers and len(asked.records) > (choice.samples or SHOWN):
        return (yield from _by_likelihood(how, asked, choice, groups))
    else:
        grammar = answer_grammar(how.model, choice.form) if asked.arm.held else None
        completions = yield from answer(how.model, asked.ids, how.decoding, how.answers, how.stopped, grammar)
    cost = 1000 * cost_of(statistics.fmean(c.seconds for c in completions), how.price)
    confidences = tuple(math.exp(c.logprob / max(1, c.completion_tokens)) for c in completions)
    result = yield from scored(asked.arm, completions, asked.records, choice, groups, asked.messages, cost)
    return replace(result, confidences=confidences, model="" if reply is None else NO_MODEL)


def _best_of(how: Measuring, asked: PreparedArm, choice: MetricChoice) -> Working[list[Completion]]:
    """Of several drawn answers to each request the best by the primary metric, with the time of all and of judging."""
    best: list[tuple[float, Completion]] = []
    seconds = [0.0] * len(asked.records)
    for draw in range(asked.arm.draws):
        decoding = replace(how.decoding, temperature=DRAWN_AT, seed=draw, alone=True)
        found = yield from answer(how.model, asked.ids, decoding, how.answers.of(decoding), how.stopped)
        start = time.perf_counter()
        scores = choice.measure([c.text for c in found], asked.records, asked.messages).scores
        judging = (time.perf_counter() - start) / max(1, len(found))
        now = list(zip(scores, found, strict=True))
        best = [max(pair, key=lambda one: one[0]) for pair in zip(best, now, strict=True)] if best else now
        seconds = [s + c.seconds + judging for s, c in zip(seconds, found, strict=True)]
    return [replace(c, seconds=s) for (_, c), s in zip(best, seconds, strict=True)]


def _by_likelihood(how: Measuring, asked: PreparedArm, choice: MetricChoice, groups: Groups) -> Working[ArmResult]:
    """An arm whose answers nothing judges: a few are generated, for people to read and for their cost."""
    places = shown_places(len(asked.records), choice)
    found = yield from answer(how.model, [asked.ids[i] for i in places], how.decoding, how.answers, how.stopped)
    cost = 1000 * cost_of(statistics.fmean(c.seconds for c in found), how.price)
    texts = dict(zip(places, (c.text for c in found), strict=True))
    every = [texts.get(i, NOT_GENERATED) for i in range(len(asked.records))]
    result = yield from scored(asked.arm, found, asked.records, choice, groups, asked.messages, cost, every)
    return replace(result, finishes=())


def shown_places(count: int, choice: MetricChoice) -> range:
    """Of so many records those whose answers are generated where the metrics judge none."""
    return range(0, count, -(-count // (choice.samples or SHOWN)))


def scored(
    arm: Arm,
    completions: Sequence[Completion],
    test: Sequence[Record],
    choice: MetricChoice,
    groups: Groups,
    asked: Sequence[tuple[Message, ...]],
    cost_per_1000: float | None,
    answers: Sequence[str] = (),
) -> Working[ArmResult]:
    """What an arm's answers are worth, wherever they come from.

    Args:
        completions: Of all records, or of some where `answers` are given.
        answers: Of all records.
    """
    texts = answers or [c.text for c in completions]
    found = choice.measure(texts, test, asked)
    for said in found.remarks:
        yield Said(said, warning=True)
    seconds = [c.seconds for c in completions]
    return ArmResult(
        name=arm.name,
        scores=found.scores,
        answers=tuple(texts),
        metrics={**found.figures, "cut_at_limit": sum(c.finish == "length" for c in completions) / len(completions)},
        prompt_tokens_mean=statistics.fmean(c.prompt_tokens for c in completions),
        completion_tokens_mean=statistics.fmean(c.completion_tokens for c in completions),
        latency_ms_p50=1000 * statistics.median(seconds),
        cost_per_1000=cost_per_1000,
        score=score_interval(found.scores, groups),
        requires_training=arm.trained,
        note=arm.note,
        details=dict(found.details),
        finishes=tuple(c.finish for c in completions),
        form=form_faults(choice, texts, test, found.scores, [c.finish for c in completions])
        if choice.primary.judges_answers
        else FormFaults(),
        held=arm.held,
    )


def check_room(model: LanguageModel, asked: PreparedArm, room: int) -> None:
    """Refuses requests that leave no room for an answer.

    Raises:
        DataError: names the longest.
    """
    longest = max(range(len(asked.ids)), key=lambda i: len(asked.ids[i]))
    if len(asked.ids[longest]) + room > model.base.context:
        raise DataError(
            f"The arm {asked.name!r} needs {len(asked.ids[longest])} prompt tokens and {room} for the answer"
            f" at {asked.records[longest].source}; {model.name} has room for {model.base.context}.",
            "Shorten that example, leave the arm out (--arms), or choose a base with a longer context.",
        )


def room_for_answers(model: LanguageModel, records: Sequence[Record]) -> tuple[int, int]:
    """Tokens that an answer may take, and how many of the known right answers are longer than that.

    A quarter more than the longest right answer; where a few are far longer than the rest, than 95 % of them: an
    untrained arm that never stops would otherwise spend most of the run on them. Every turn of a conversation counts.
    A base that thinks has as much again for its reasoning as the records' own takes, and `THINKING_ROOM` at least.
    """
    turns = [turn for r in records for turn in turns_of(r)]
    lengths = sorted(model.renderer.count(turn.answer_text) + 1 for turn in turns if turn.answer_text)
    if not lengths:
        return FREE_ROOM, 0
    usual = lengths[int(0.95 * (len(lengths) - 1))]
    longest = lengths[-1] if lengths[-1] <= 2 * usual else usual
    room = min(1024, longest + longest // 4 + 8)
    return room + _room_to_think(model, turns), sum(n > room for n in lengths)


def _room_to_think(model: LanguageModel, turns: Sequence[Record]) -> int:
    """Tokens that reasoning may take beside answers like these."""
    answers = [turn.answer for turn in turns if isinstance(turn, Conversation) and turn.answer]
    longest = max((model.renderer.count(a.reasoning) for a in answers if a.reasoning), default=0)
    return room_to_think(model.renderer, 2 * longest)
