"""What keys, tokens and passwords look like: known prefixes first, then random strings beside words that announce
them."""

from __future__ import annotations

import math
import re
from collections import Counter

from postgrad.checks.support.redaction import ValueKind
from postgrad.facts import any_of, load_facts

_MIN_BITS = 3.2
_HEX_BITS = 2.9
_FACTS = load_facts("secrets")
_PLACEHOLDER = re.compile(any_of(_FACTS["placeholders"]), re.IGNORECASE)


def entropy(value: str) -> float:
    """Shannon entropy of a text's letters, in bits a letter."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) if size else 0.0


def is_random(value: str) -> bool:
    """Whether a string looks drawn at random: mixed letters and digits, many different ones, no words in it."""
    if _PLACEHOLDER.search(value) or not any(c.isdigit() for c in value) or not any(c.isalpha() for c in value):
        return False
    hexadecimal = re.fullmatch(r"[0-9a-fA-F]+", value) is not None
    return entropy(value) >= (_HEX_BITS if hexadecimal else _MIN_BITS) and not re.search(
        r"[a-z]{9,}|[A-Z][a-z]{6,}", value
    )


def _password_valid(value: str) -> bool:
    """Six or more letters that are no placeholder and hold a digit or mark besides letters."""
    return not _PLACEHOLDER.search(value) and any(not c.isalpha() for c in value) and any(c.isalpha() for c in value)


def _not_placeholder(value: str) -> bool:
    return _PLACEHOLDER.search(value) is None


_KNOWN = re.compile(any_of(_FACTS["known"]))
_PREFIXES = tuple(_FACTS["prefixes"])


def _spellings(*words: str) -> tuple[str, ...]:
    """Each word small, with a capital, and in capitals."""
    return tuple(spelled for word in words for spelled in (word, word.capitalize(), word.upper()))


SECRET_KINDS: tuple[ValueKind, ...] = (
    ValueKind(
        "SECRET",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]{1,8000}?-----END [A-Z ]{0,30}PRIVATE KEY(?:"
            r" BLOCK)?-----)?"
        ),
        hint=("PRIVATE KEY",),
    ),
    ValueKind(
        "SECRET",
        _KNOWN,
        _not_placeholder,
        _PREFIXES,
        run=16,
    ),
    ValueKind(
        "SECRET",
        re.compile(r"\b[a-z][a-z0-9+]{2,20}://[^\s:/@'\"<>]{1,60}:([^\s:/@'\"<>]{3,80})@[\w.-]+"),
        _not_placeholder,
        ("://",),
    ),
    ValueKind(
        "SECRET",
        re.compile(
            r"(?i:(?:api|access|secret|private|auth|client|encryption|signing|service)[_"
            r" -]?(?:key|token|secret)|\bsecret|\btoken|\bbearer|credentials?)"
            r"(?:[\"']?\s*(?:=>|[:=]|\bis\b)\s*|\s+)[\"']?([\w+/=.~-]{16,200})"
        ),
        is_random,
        hint=(
            *_spellings("secret", "token", "bearer", "credential", "apikey"),
            *_FACTS["announcing_hints"],
        ),
        run=16,
    ),
    ValueKind(
        "PASSWORD",
        re.compile(
            r"(?i:\b(?:password|passwd|pwd|passphrase|passwort|passcode)\b)[\"']?[ \t]*(?::|=|\bis:?[ \t])["
            r" \t]*[\"']?((?![/$])[^\s\"',;<>]{5,63}[^\s\"',;<>.!?])"
        ),
        _password_valid,
        _spellings("passw", "pwd", "passphrase", "passcode"),
    ),
)
