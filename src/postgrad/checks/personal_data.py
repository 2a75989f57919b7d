"""Personal data and secrets: what a model has learned it may repeat to anyone.

Evidence and sentences show the kind and a masked form, never the value. The patterns are checked where a checksum exists
(cards, bank accounts), because order numbers look much like phone and card numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from postgrad.checks.texts import map_texts, texts_of
from postgrad.checks.wording import count_of, verb
from postgrad.findings import Check, Context, Finding, Repair
from postgrad.records import Record


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data.

    Attributes:
        name: As shown and as the placeholder's name.
        pattern: What it looks like.
        valid: Whether a match truly is one.
        hint: A text without this pattern cannot hold one (for speed).
    """

    name: str
    pattern: re.Pattern[str]
    valid: Callable[[str], bool] = lambda value: True
    hint: re.Pattern[str] | None = None


def luhn_valid(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    digits = [int(c) for c in number if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def iban_valid(number: str) -> bool:
    """The check digits of an international bank account number (ISO 13616: the rearranged number modulo 97 is 1)."""
    compact = re.sub(r"[\s-]", "", number).upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _phone_valid(number: str) -> bool:
    """Between 8 and 15 digits (ITU-T E.164), and no date."""
    digits = re.sub(r"\D", "", number)
    date = re.fullmatch(r"\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}", number.strip())
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2 and date is None


_DIGITS = re.compile(r"\d(?:[^\w\n]{0,2}\d){6}")
KINDS: tuple[Kind, ...] = (
    Kind(
        "SECRET",
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----)?"
            r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}\b"
            r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}|\bhf_[A-Za-z0-9]{30,}\b|\bglpat-[\w-]{20,}"
            r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
            r"|(?i:\b(?:api[_ -]?key|secret|access[_ -]?token|auth[_ -]?token))[\"']?\s*[:=]\s*[\"']?"
            r"(?=[\w+/=-]*\d)[\w+/=-]{16,}"
        ),
        hint=re.compile(r"PRIVATE KEY|AKIA|ASIA|sk-|gh[pousr]_|xox|AIza|hf_|glpat-|eyJ|(?i:key|secret|token)"),
    ),
    Kind(
        "EMAIL",
        re.compile(
            r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"
        ),
        hint=re.compile("@"),
    ),
    Kind("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), iban_valid, _DIGITS),
    Kind(
        "CARD",
        re.compile(r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w-])|\b3[47]\d{2}[ -]?\d{6}[ -]?\d{5}\b"),
        luhn_valid,
        _DIGITS,
    ),
    Kind("SSN", re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"), hint=_DIGITS),
    Kind(
        "PHONE",
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}[ ./-]?(?:\(0?\d{1,5}\)[ ./-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,5}"
            r"|00[1-9]\d[ ./-]?\d{1,5}(?:[ ./-]?\d{2,5}){1,5}"
            r"|\(\d{2,5}\)[ ./-]?\d{3,4}[ .-]?\d{3,5}"
            r"|\d{3}[ .-]\d{3}[ .-]\d{4}"
            r"|0\d{2,5}[ /-]\d{3,4}(?:[ -]?\d{2,4}){0,3})(?![\w-])"
        ),
        _phone_valid,
        _DIGITS,
    ),
)


def personal_data(*, kinds: Sequence[Kind] = KINDS) -> Check:
    """Finds e-mail addresses, phone, card, bank account and social security numbers, keys and tokens.

    The repair replaces each value by a placeholder that is the same wherever the value recurs (`[EMAIL_1]`). It is never
    made unasked, because a task may be about just these values.

    Args:
        kinds: What to look for, in order: a value is counted as the first kind that it fits.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        places: dict[str, str] = {}
        found: dict[int, list[tuple[Kind, str]]] = {}
        for index, record in enumerate(records):
            matches = [match for text in texts_of(record) for match in find_values(text, kinds)]
            if matches:
                found[index] = matches
        if not found:
            return
        counts = Counter(kind.name for matches in found.values() for kind, _ in matches)
        worst = sorted(found, key=lambda i: (-len(found[i]), i))
        shown = ", ".join(f"{name} {n}×" for name, n in counts.most_common())
        yield Finding(
            check="personal_data",
            severity="warning",
            sentence=f"{count_of(len(found), 'record')} {verb(len(found), 'holds', 'hold')} what looks like personal data or "
            f"secrets ({shown}).",
            indices=tuple(worst),
            evidence=tuple(
                ", ".join(dict.fromkeys(f"{kind.name} {mask(value)}" for kind, value in found[i])) for i in worst
            ),
            repairs=tuple(
                Repair(i, "replace", map_texts(records[i], lambda text: redact(text, places, kinds)), safe=False)
                for i in sorted(found)
            ),
            details={"kinds": dict(counts)},
        )

    return check


def find_values(text: str, kinds: Sequence[Kind] = KINDS) -> list[tuple[Kind, str]]:
    """(kind, value) of everything found in a text, no part of it twice."""
    found: list[tuple[Kind, str]] = []
    for kind in kinds:
        if kind.hint is not None and kind.hint.search(text) is None:
            continue
        for match in kind.pattern.finditer(text):
            if kind.valid(match[0]):
                found.append((kind, match[0]))
        for other, value in found:
            if other is kind:
                text = text.replace(value, "\n")
    return found


def redact(text: str, places: dict[str, str], kinds: Sequence[Kind] = KINDS) -> str:
    """The text with placeholders for its values.

    Args:
        text: Any text.
        places: Value → placeholder; filled as values appear, so that one value has one placeholder everywhere.
        kinds: What to look for.
    """
    for kind, value in sorted(find_values(text, kinds), key=lambda pair: -len(pair[1])):
        if value not in places:
            number = sum(place.startswith(f"[{kind.name}_") for place in places.values()) + 1
            places[value] = f"[{kind.name}_{number}]"
        text = text.replace(value, places[value])
    return text


def mask(value: str) -> str:
    """The first letter or digit, and how much is hidden."""
    return f"{value[:1]}•••({len(value)})"
