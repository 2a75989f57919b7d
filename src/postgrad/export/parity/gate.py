"""The judgement: whether a model in an engine answers as it was trained, and if not, what differs, where, and why.

Policy without I/O. Distances are mean absolute differences of log-probabilities, in nats a token, over all tokens of
prompts and answers that were compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from postgrad.export.parity.contestant import CannotSayError, Contestant, Said
from postgrad.export.parity.probes import Probe
from postgrad.json_types import JsonObject

FAR = 8.0
"""A difference of one token counts as at most so many nats: one that is impossible to one model says no more."""
TELLING = ("prompt", "logprobs", "answers")
"""What at least one of must have been compared."""
NEAR_UNKNOWN = 0.2
"""Nats by which the next token may be less likely where two answers part, if an engine tells no log-probabilities."""
SAME = 1e-6
"""A model whose every distance from its base is below that has learned nothing."""


@dataclass(frozen=True)
class Tolerance:
    """How far an exact format may be from the trained model.

    Attributes:
        mean: Largest mean distance, in nats a token.
        exact: Whether it keeps so much of the weights that a tenth of what was trained must show.
    """

    mean: float
    exact: bool = True


@dataclass(frozen=True)
class Check:
    """One thing that was compared.

    Attributes:
        name: `prompt`, `logprobs`, `trained`, `answers`, `stops`, `files`, `weights` or `score`.
        held: Whether it is alike; None where the engine cannot say.
        sentence: What was found.
        cause: The likely cause, where it is not alike.
    """

    name: str
    held: bool | None
    sentence: str
    cause: str = ""


@dataclass(frozen=True)
class Parity:
    """What the gate found.

    Attributes:
        engine: In which the model ran.
        questions: How many were asked.
        distance: From the trained model, in nats a token; None where it was not measured.
        base_distance: How far the trained model is from its base.
    """

    engine: str
    questions: int
    checks: tuple[Check, ...]
    distance: float | None = None
    base_distance: float | None = None
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Whether nothing differs, and something was compared that would show it."""
        return all(c.held is not False for c in self.checks) and any(c.held and c.name in TELLING for c in self.checks)

    @property
    def sentence(self) -> str:
        """For a person."""
        if self.held:
            far = "" if self.distance is None else f"; {self.distance:.2g} nats a token from the trained model"
            unsaid = [c.name for c in self.checks if c.held is None]
            left = f"; not compared: {', '.join(unsaid)}" if unsaid else ""
            return f"{self.engine}: alike on {self.questions} questions{far}{left}."
        wrong = next((c for c in self.checks if c.held is False), None)
        if wrong is None:
            why = self.checks[0].sentence if self.checks else "No question could be asked."
            return f"{self.engine}: nothing was compared, so nothing is known. {why}"
        return f"{self.engine}: {wrong.sentence} Likely cause: {wrong.cause}."

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        return {
            "engine": self.engine,
            "questions": self.questions,
            "held": self.held,
            "distance": self.distance,
            "base_distance": self.base_distance,
            "seconds": round(self.seconds, 2),
            "checks": [{"name": c.name, "held": c.held, "sentence": c.sentence, "cause": c.cause} for c in self.checks],
        }


def judge(contestant: Contestant, probes: Sequence[Probe], tolerance: Tolerance) -> Parity:
    """Asks a model in an engine all questions."""
    prompts = _prompts(contestant, probes)
    read, distance, base = _read(contestant, probes, tolerance)
    spoken = _spoken(contestant, probes, distance)
    return Parity(contestant.name, len(probes), (prompts, *read, *spoken), distance, base)


def _prompts(contestant: Contestant, probes: Sequence[Probe]) -> Check:
    """The same ids for the same messages."""
    compared, left = 0, list[str]()
    for probe in probes:
        try:
            ids = list(contestant.prompt(probe.question.messages, probe.question.tools))
        except CannotSayError as reason:
            left.append(str(reason))
            continue
        compared += 1
        if ids != list(probe.ids):
            where = (
                f"On a question of the kind {probe.question.kind!r} the prompt has other tokens: {_first(ids, probe)}."
            )
            return Check("prompt", False, where, prompt_cause(ids, probe))
    if not compared:
        return Check(
            "prompt", None, f"The engine does not tell a prompt's tokens ({left[0] if left else 'no question'})."
        )
    more = f" ({len(left)} questions could not be asked: {left[0]})" if left else ""
    return Check("prompt", True, f"The same tokens in {compared} prompts{more}.")


def prompt_cause(ids: Sequence[int], probe: Probe) -> str:
    """Why a prompt has other tokens than the trained model's."""
    right = list(probe.ids)
    ids = list(ids)
    if len(ids) == len(right) + 1 and ids[1:] == right:
        return "a beginning token (BOS) is put before the template's text" + (
            ", which has one already: it stands there twice" if ids[0] == right[0] else ""
        )
    if ids == right[1:]:
        return "the beginning token (BOS) that the template writes is missing"
    for lack, found in probe.without.items():
        if ids == list(found):
            return f"{lack} dropped: not put before the request"
    start = _agree(ids, right)
    if start < 4 and len(ids) != len(right):
        return "another chat template, or none"
    return "another chat template, or another tokenizer (its splitting of text, or tokens that were added, are missing)"


def _first(ids: Sequence[int], probe: Probe) -> str:
    place = _agree(ids, probe.ids)
    ours = probe.ids[place] if place < len(probe.ids) else "the end"
    theirs = ids[place] if place < len(ids) else "the end"
    return f"{len(ids)} instead of {len(probe.ids)}, from place {place} on ({theirs} instead of {ours})"


def _agree(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def distance_of(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[float, int]:
    """The sum of absolute differences, each at most `FAR`, and how many there are."""
    off = (ours - theirs).abs()
    off = torch.where(off.isfinite(), off, torch.full_like(off, FAR)).clamp_max(FAR)
    return float(off.sum()), off.numel()


def _read(
    contestant: Contestant, probes: Sequence[Probe], tolerance: Tolerance
) -> tuple[list[Check], float | None, float | None]:
    """The same probability for the same tokens; and what was trained shows in them."""
    sums: dict[float, float] = {}
    apart, count, base = 0.0, 0, 0.0
    left = "no question was asked"
    for probe in probes:
        try:
            theirs = _told(contestant, probe)
        except CannotSayError as reason:
            left = str(reason)
            continue
        if theirs is None:
            continue
        truth = probe.logprobs[-len(theirs) :]
        total, number = distance_of(theirs, truth)
        apart, count = apart + total, count + number
        for share, logprobs in probe.shares.items():
            sums[share] = sums.get(share, 0.0) + distance_of(theirs, logprobs[-len(theirs) :])[0]
        if 0.0 in probe.shares:
            base += distance_of(truth, probe.shares[0.0][-len(theirs) :])[0]
    if not count:
        none = f"The engine does not tell log-probabilities ({left})."
        return [Check("logprobs", None, none), Check("trained", None, none)], None, None
    distance = apart / count
    shares = {share: total / count for share, total in sums.items()}
    from_base = base / count if 0.0 in shares else None
    return [_near(distance, shares, tolerance), _trained(distance, shares, from_base, tolerance)], distance, from_base


def _told(contestant: Contestant, probe: Probe) -> torch.Tensor | None:
    """The engine's log-probabilities of all tokens, or of the answer's alone where it tells no others; None where there
    is no answer then."""
    try:
        return torch.tensor(list(contestant.logprobs(probe.whole, 1)), dtype=torch.float32)
    except CannotSayError:
        if not probe.answer:
            return None
        return torch.tensor(list(contestant.logprobs(probe.whole, len(probe.ids))), dtype=torch.float32)


def _near(distance: float, shares: dict[float, float], tolerance: Tolerance) -> Check:
    if distance <= tolerance.mean and math.isfinite(distance):
        return Check(
            "logprobs", True, f"{distance:.2g} nats a token from the trained model ({tolerance.mean:g} are allowed)."
        )
    told = f"It is {distance:.2g} nats a token from the trained model; {tolerance.mean:g} are allowed."
    return Check("logprobs", False, told, _weights_cause(distance, shares))


def _weights_cause(distance: float, shares: dict[float, float]) -> str:
    nearest = min(shares, key=lambda share: shares[share], default=None)
    if nearest is not None and shares[nearest] < 0.5 * distance:
        return {
            0.0: "the adapter is not applied: it answers as the base does",
            0.5: "the adapter is scaled wrong: about half of it is applied",
            0.9: "the adapter is scaled wrong: about nine tenths of it are applied",
            2.0: "the adapter is scaled wrong: about twice of it is applied",
        }.get(nearest, f"about {nearest:g} of the adapter is applied")
    return "some weights are others than the trained ones (a layout, a scale, tied embeddings, or their precision)"


def _trained(distance: float, shares: dict[float, float], from_base: float | None, tolerance: Tolerance) -> Check:
    """A live probe of what was trained: the difference to the base, and to a tenth less of it, must show."""
    if from_base is None:
        return Check("trained", None, "The base was not asked.")
    if from_base <= SAME:
        return Check(
            "trained",
            False,
            "The trained model answers exactly as its base.",
            "the adapter is empty, or trained nothing",
        )
    if from_base <= distance / 2:
        none = f"What was trained moves it by {from_base:.2g} nats a token, less than this format's own rounding."
        return Check("trained", None, none)
    if shares[0.0] <= distance:
        cause = "the adapter is not applied: it answers as the base does"
        return Check("trained", False, "It is nearer to the base than to the trained model.", cause)
    for share in sorted(shares, reverse=True):
        if share and tolerance.exact and from_base > tolerance.mean and shares[share] < distance:
            cause = _weights_cause(2 * shares[share] + distance, {share: shares[share]})
            return Check("trained", False, "It is nearer to the model with another share of what was trained.", cause)
    return Check("trained", True, f"What was trained shows: the base is {shares[0.0]:.2g} nats a token away.")


def _spoken(contestant: Contestant, probes: Sequence[Probe], distance: float | None) -> list[Check]:
    """The same answers, and the same ends of them."""
    same = differing = ended = 0
    first = ""
    stops: Check | None = None
    left = "no question has an answer"
    near = NEAR_UNKNOWN if distance is None else max(0.02, 12 * distance)  # a token moves by more than the mean of all
    for probe in probes:
        if not probe.answer:
            continue
        try:
            said = contestant.answer(probe.question.messages, probe.question.tools, len(probe.answer) + 8)
        except CannotSayError as reason:
            left = str(reason)
            continue
        if said.ids is None and probe.thinks:
            left = "the model thinks first, and the engine tells no tokens"
            continue
        stops = stops or _stop_fault(probe, said)
        if _alike(probe, said):
            same, ended = same + 1, ended + (probe.finish == "stop")
            continue
        if _explained(probe, said, near):
            differing += 1
            continue
        kind = probe.question.kind
        first = first or f"To a {kind!r} question it says {said.text[:60]!r} instead of {probe.text[:60]!r}."
    if not (same or differing or first):
        none = f"The engine does not answer such questions ({left})."
        return [Check("answers", None, none), Check("stops", None, none)]
    if stops is None and ended:
        stops = Check("stops", True, f"{ended} answers end where the trained model's do.")
    stops = stops or Check("stops", None, "No answer of the trained model came to its end within the tokens asked for.")
    cause = "its prompt, its weights or its decoding differ from the trained model's"
    if first:
        return [Check("answers", False, first, cause), stops]
    if distance is None and same < differing:
        told = (
            f"{differing} of {same + differing} answers part from the trained model's, and its numbers are not known."
        )
        return [Check("answers", False, told, cause), stops]
    tail = f"; {differing} part at places where two tokens are nearly as likely" if differing else ""
    return [Check("answers", True, f"{same} of {same + differing} answers are the same{tail}."), stops]


def _alike(probe: Probe, said: Said) -> bool:
    """Whether it is the same answer, ended in the same place; the engine may say more than was asked of the truth."""
    if said.ids is not None and (probe.finish == "length" or probe.ended_by_token):
        spoken = probe.spoken
        if tuple(said.ids[: len(spoken)]) != spoken:
            return False
        return probe.finish == "length" or (said.finish == "stop" and len(said.ids) <= len(probe.answer))
    ours, theirs = probe.text.strip(), said.text.strip()
    if probe.finish == "length":  # a letter may be cut in the middle of its bytes
        return theirs.startswith(ours.rstrip("\ufffd"))
    return theirs == ours


def _explained(probe: Probe, said: Said, near: float) -> bool:
    """Whether the first difference is at a token that was hardly likelier than the next one."""
    if said.ids is not None:
        place = _agree(said.ids, probe.answer)
    else:
        letters = _agree([*map(ord, said.text)], [*map(ord, probe.text)])
        place = next((i for i, reached in enumerate(probe.reach) if reached > letters), len(probe.answer))
    return place < len(probe.margins) and probe.margins[place] <= near


def _stop_fault(probe: Probe, said: Said) -> Check | None:
    ours, theirs = probe.text.strip(), said.text.strip()
    goes_on = len(theirs) > len(ours) if said.ids is None else len(said.ids) > len(probe.answer)
    if probe.finish != "stop" or said.finish == "stop" or not theirs.startswith(ours) or not goes_on:
        return None
    return Check(
        "stops",
        False,
        f"After {probe.text[:40]!r} the trained model ends, and the engine goes on: {said.text[:80]!r}.",
        "the end token of the trained model is missing in the engine's settings",
    )
