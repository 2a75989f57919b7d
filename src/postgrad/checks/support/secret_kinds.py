"""What keys, tokens and passwords look like: known prefixes first, then random strings beside words that announce
them."""

from __future__ import annotations

import math
import re
from collections import Counter

from postgrad.checks.support.redaction import Kind

_MIN_BITS = 3.2
_HEX_BITS = 2.9
_PLACEHOLDER = re.compile(
    r"(?i)x{4,}|\*{3,}|\.{3}"
    r"|(?:your|my|the|some|insert|example|sample|dummy|fake|test|changeme|placeholder|redacted|secret|password)[-_ ]?"
    r"(?:api|key|token|secret|password|here|value)|^(?:env|process|os|config|settings|self|getenv|request|none|null|true|false)\b"
    r"|[<>{}()\[\]$]|(?:0123|1234){2}|abcdefgh"
)


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


_KNOWN = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bsk-(?:[a-z0-9]+-){0,3}[A-Za-z0-9_-]{20,200}|\bgh[pousr]_[A-Za-z0-9]{30,}\b|\bgithub_pat_\w{40,}\b"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}|\bhf_[A-Za-z0-9]{30,}\b|\bglpat-[\w-]{20,}|\bnpm_[A-Za-z0-9]{36}\b"
    r"|\bpypi-AgE[\w-]{50,}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}\b|\bwhsec_[A-Za-z0-9]{24,}\b|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\b\d{8,10}:AA[\w-]{33}\b|\bdop_v1_[0-9a-f]{64}\b|\bdapi[0-9a-f]{32}\b|\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b|\bsq0(?:atp|csp)-[\w-]{22,}"
    r"|\bkey-[0-9a-f]{32}\b|\bya29\.[\w-]{30,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}|\bnvapi-[\w-]{40,}|\bgsk_[A-Za-z0-9]{40,}\b"
    r"|https://hooks\.slack\.com/services/[\w/]{20,}|https://discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}|\bAccountKey=[\w+/=]{40,}"
)
_PREFIXES = (
    "AKIA",
    "ASIA",
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "xoxa-",
    "xoxb-",
    "xoxe-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "AIza",
    "hf_",
    "glpat-",
    "npm_",
    "pypi-AgE",
    "sk_live",
    "sk_test",
    "rk_live",
    "rk_test",
    "whsec_",
    "SG.",
    ":AA",
    "dop_v1_",
    "dapi",
    "shpat_",
    "shpca_",
    "shppa_",
    "shpss_",
    "sq0",
    "key-",
    "ya29.",
    "eyJ",
    "nvapi-",
    "gsk_",
    "hooks.slack",
    "webhooks",
    "AccountKey=",
)


def _spellings(*words: str) -> tuple[str, ...]:
    """Each word small, with a capital, and in capitals."""
    return tuple(spelled for word in words for spelled in (word, word.capitalize(), word.upper()))


SECRET_KINDS: tuple[Kind, ...] = (
    Kind(
        "SECRET",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]{1,8000}?-----END [A-Z ]{0,30}PRIVATE KEY(?:"
            r" BLOCK)?-----)?"
        ),
        hint=("PRIVATE KEY",),
    ),
    Kind(
        "SECRET",
        _KNOWN,
        _not_placeholder,
        _PREFIXES,
        run=16,
    ),
    Kind(
        "SECRET",
        re.compile(r"\b[a-z][a-z0-9+]{2,20}://[^\s:/@'\"<>]{1,60}:([^\s:/@'\"<>]{3,80})@[\w.-]+"),
        _not_placeholder,
        ("://",),
    ),
    Kind(
        "SECRET",
        re.compile(
            r"(?i:(?:api|access|secret|private|auth|client|encryption|signing|service)[_"
            r" -]?(?:key|token|secret)|\bsecret|\btoken|\bbearer|credentials?)"
            r"(?:[\"']?\s*(?:=>|[:=]|\bis\b)\s*|\s+)[\"']?([\w+/=.~-]{16,200})"
        ),
        is_random,
        hint=(
            *_spellings("secret", "token", "bearer", "credential", "apikey"),
            *(
                "apiKey",
                "ApiKey",
                "_key",
                "_KEY",
                "-key",
                "-Key",
                "key:",
                "key=",
                "Key:",
                "Key=",
                'key"',
                'Key"',
                "pi key",
                "PI key",
                "PI Key",
                "ess key",
            ),
        ),
        run=16,
    ),
    Kind(
        "PASSWORD",
        re.compile(
            r"(?i:\b(?:password|passwd|pwd|passphrase|passwort|passcode)\b)[\"']?[ \t]*(?::|=|\bis:?[ \t])["
            r" \t]*[\"']?((?![/$])[^\s\"',;<>]{5,63}[^\s\"',;<>.!?])"
        ),
        _password_valid,
        _spellings("passw", "pwd", "passphrase", "passcode"),
    ),
)
