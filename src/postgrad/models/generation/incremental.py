"""One prompt answered once or several times, piece by piece: what the server and `postgrad chat` show as it comes.

Nothing is computed between two pieces, so a generator can be left standing while another model's turn is on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from postgrad.models.generation.generate import (
    Completion,
    Decoding,
    DecodingRow,
    beginning,
    can_share,
    completion_of,
    decode,
)
from postgrad.models.generation.logits import Chooser, Steering, Token
from postgrad.models.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Piece:
    """What has become certain of one answer.

    Attributes:
        index: Which answer.
        text: To be put after the text so far.
        tokens: Tokens of the answer since the last piece; the end mark and what a stop text cut off are left out.
        done: With the answer's last piece, the whole answer.
    """

    index: int
    text: str
    tokens: tuple[Token, ...] = ()
    done: Completion | None = None


@dataclass(slots=True)
class _Growing:
    """An answer in the making: the row, its chooser, and how much of it has been given out.

    `lengths[i]` is the length of the text after token i: token i begins where the one before ended.
    """

    row: DecodingRow
    chooser: Chooser
    sent: str = ""
    shown: int = 0
    lengths: list[int] = field(default_factory=list)


def answer(
    model: LanguageModel, prompt: Sequence[int], decoding: Decoding, steering: Steering | None = None, count: int = 1
) -> Iterator[tuple[Piece, ...]]:
    """Answers one prompt `count` times at once; yields what is new after every token, which may be nothing.

    Answer i is sampled with the seed plus i. The pieces of an answer joined are its completion's text. A piece is held
    back while it may be part of a stop text or of a character that is not whole yet.
    """
    start = time.perf_counter()
    steering = steering or Steering()
    shared = len(prompt) - 1 if count > 1 and can_share(model, len(prompt) + decoding.max_new_tokens) else 0
    prefix = beginning(model, prompt[:shared])
    grown: list[_Growing] = []
    for index in range(count):
        chooser = Chooser(decoding, steering, (decoding.seed + index) % 2**63)
        grown.append(_Growing(DecodingRow(index, prompt[shared:], chooser), chooser))

    def text_of(row: DecodingRow) -> str:
        return decoding.cut(model.renderer.answer_text(row.ids, special=steering.special))[0]

    unfinished = list(grown)
    for _ in decode(model, [g.row for g in grown], prefix, shared, decoding):
        pieces: list[Piece] = []
        for one in unfinished:
            text = text_of(one.row)
            if one.row.finish:
                done = completion_of(model, one.row, shared, decoding)
                seconds = (time.perf_counter() - start) / count
                pieces.append(_last(one, replace(done, text=text, seconds=seconds)))
            elif (piece := _next(one, text, decoding.stop)) is not None:
                pieces.append(piece)
        unfinished = [one for one in unfinished if not one.row.finish]
        yield tuple(pieces)


def held_back(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of the marks."""
    longest = max((len(m) for m in marks), default=0) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(m.startswith(text[-size:]) for m in marks if len(m) > size):
            return size
    return 0


def _next(one: _Growing, text: str, stops: Sequence[str]) -> Piece | None:
    one.lengths.append(len(text))
    ready = text[: len(text) - held_back(text, stops)].rstrip("\ufffd")
    if len(ready) <= len(one.sent) or not ready.startswith(one.sent):
        return None
    upto = one.shown
    while upto < len(one.lengths) and one.lengths[upto] <= len(ready):
        upto += 1
    piece = Piece(one.row.index, ready[len(one.sent) :], tuple(one.chooser.tokens[one.shown : upto]))
    one.sent, one.shown = ready, upto
    return piece


def _last(one: _Growing, done: Completion) -> Piece:
    begins = [0, *one.lengths]
    upto = len(one.chooser.tokens)
    if done.finish == "stop":
        upto = next((i for i in range(one.shown, upto) if begins[i] >= len(done.text)), upto)
    return Piece(one.row.index, done.text[len(one.sent) :], tuple(one.chooser.tokens[one.shown : upto]), done)
