"""One prompt answered once or several times, piece by piece: what the server and `postgrad chat` show as it comes.

Nothing is computed between two pieces, so a generator can be left standing while another model's turn is on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from postgrad.models.generation.generate import (
    Completion,
    Decoding,
    DecodingRow,
    beginning,
    can_share,
    completion_of,
    decode,
    read_in_parts,
)
from postgrad.models.generation.logits import Chooser, Steering, Token
from postgrad.models.generation.pace import Pace
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import ParsedAnswer


@dataclass(frozen=True, slots=True)
class Piece:
    """What has become certain of one answer.

    Attributes:
        index: Which answer.
        text: To be put after the text so far.
        thought: To be put after the reasoning so far.
        tokens: Tokens of the answer since the last piece; the end mark and what a stop text cut off are left out.
        done: With the answer's last piece, the whole answer.
    """

    index: int
    text: str
    tokens: tuple[Token, ...] = ()
    done: Completion | None = None
    thought: str = ""


class GrowingAnswer:
    """An answer in the making: its row, and how much of it has been given out.

    `_lengths[i]` is the length of the text after token i: token i begins where the one before ended.

    Args:
        model: That answers.
        row: As it grows, whoever computes it.
        chooser: Takes its tokens.
        shared: Tokens of the prompt that stand before the row's own.
    """

    def __init__(
        self,
        model: LanguageModel,
        row: DecodingRow,
        chooser: Chooser,
        decoding: Decoding,
        *,
        special: bool,
        shared: int = 0,
    ) -> None:
        self.row, self.chooser = row, chooser
        self._model, self._decoding, self._special, self._shared = model, decoding, special, shared
        self._sent, self._shown, self._thought_sent = "", 0, ""
        self._lengths: list[int] = []
        self.over = False

    def fresh(self, seconds: float) -> Piece | None:
        """What has become certain since the last call; None where that is nothing, or everything has been given out.

        Args:
            seconds: What the answer has taken so far.
        """
        ids, ended = self.row.ids, bool(self.row.finish)
        if self.over or len(ids) == len(self._lengths):
            return None
        text, said = "", None
        for upto in range(len(self._lengths) + 1, len(ids) + 1):
            said = self._model.renderer.said(ids[:upto], special=self._special)
            text = self._decoding.cut(said.answer)[0]
            if upto < len(ids) or not ended:
                self._lengths.append(len(text))
        thought = self._fresh_thought(said) if said and self._model.renderer.thinking else ""
        if not ended:
            return self._next(text, thought)
        self.over = True
        done = completion_of(self._model, self.row, self._shared, self._decoding)
        return self._last(replace(done, text=text, seconds=seconds), thought)

    def _fresh_thought(self, said: ParsedAnswer) -> str:
        """What has become certain of the reasoning; what may be the beginning of its end is held back."""
        end = self._model.renderer.template.thought_end
        ready = said.thought
        if not said.over:
            ready = ready[: len(ready) - held_back(ready, (end,))].rstrip("\ufffd").rstrip()
        if not ready.startswith(self._thought_sent):
            return ""
        fresh, self._thought_sent = ready[len(self._thought_sent) :], ready
        return fresh

    def _next(self, text: str, thought: str) -> Piece | None:
        ready = text[: len(text) - held_back(text, self._decoding.stop)].rstrip("\ufffd")
        if len(ready) <= len(self._sent) or not ready.startswith(self._sent):
            return Piece(self.row.index, "", thought=thought) if thought else None
        upto = self._shown
        while upto < len(self._lengths) and self._lengths[upto] <= len(ready):
            upto += 1
        tokens = tuple(self.chooser.tokens[self._shown : upto])
        piece = Piece(self.row.index, ready[len(self._sent) :], tokens, thought=thought)
        self._sent, self._shown = ready, upto
        return piece

    def _last(self, done: Completion, thought: str) -> Piece:
        begins = [0, *self._lengths]
        upto = len(self.chooser.tokens)
        if done.finish == "stop":
            upto = next((i for i in range(self._shown, upto) if begins[i] >= len(done.text)), upto)
        tokens = tuple(self.chooser.tokens[self._shown : upto])
        return Piece(self.row.index, done.text[len(self._sent) :], tokens, done, thought)


def answer(
    model: LanguageModel,
    prompt: Sequence[int],
    decoding: Decoding,
    steering: Steering | None = None,
    count: int = 1,
    pace: Pace | None = None,
) -> Iterator[tuple[Piece, ...]]:
    """Answers one prompt `count` times at once; yields what is new after every token, which may be nothing.

    A long prompt is read in parts, with nothing new after each. Answer i is sampled with the seed plus i. The pieces of
    an answer joined are its completion's text. A piece is held back while it may be part of a stop text or of a
    character that is not whole yet.
    """
    start = time.perf_counter()
    steering = steering or Steering()
    prefix, shared = yield from read_in_parts(model, prompt, pace or Pace())
    if not shared and count > 1 and can_share(model, len(prompt) + decoding.max_new_tokens):
        shared = len(prompt) - 1
        prefix = beginning(model, prompt[:shared])
    grown: list[GrowingAnswer] = []
    for index, chooser in enumerate(choosers(decoding, steering, count)):
        row = DecodingRow(index, prompt[shared:], chooser)
        grown.append(GrowingAnswer(model, row, chooser, decoding, special=steering.special, shared=shared))
    for _ in decode(model, [g.row for g in grown], prefix, shared, decoding, last=True):
        seconds = (time.perf_counter() - start) / count
        yield tuple(piece for one in grown if (piece := one.fresh(seconds)) is not None)


def choosers(decoding: Decoding, steering: Steering, count: int) -> list[Chooser]:
    """What takes the tokens of each of the answers to one prompt: answer i samples with the seed plus i."""
    return [Chooser(decoding, steering, (decoding.seed + index) % 2**63) for index in range(count)]


def held_back(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of the marks."""
    longest = max((len(m) for m in marks), default=0) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(m.startswith(text[-size:]) for m in marks if len(m) > size):
            return size
    return 0
