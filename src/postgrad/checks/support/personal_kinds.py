"""What personal data looks like. Numbers are checked by their check digits, or by the words before them.

Order numbers, prices and dates look much like identity numbers; a pattern that has neither a check digit nor an
unmistakable form is counted only after words that announce it.
"""

from __future__ import annotations

import ipaddress
import re

from postgrad.checks.support import checksums
from postgrad.checks.support.phone_numbers import PHONE_KINDS
from postgrad.checks.support.redaction import ValueKind
from postgrad.facts import any_of, load_facts

_FIVE = re.compile(r"\d(?:[ -]?\d){4}")
_THREE_TWO = re.compile(r"-\d\d(?<=\d{3}-\d\d)")
_FACTS = load_facts("personal_data")
_HINTS = {name: tuple(words) for name, words in _FACTS["hints"].items()}
_STREETS = tuple(_FACTS["address"]["hints"])
_STREET_ENDINGS = tuple(_FACTS["address"]["street_ending_hints"])
_VERSION_WORDS = re.compile(rf"(?i)(?:{any_of(_FACTS['ip']['version_words'])})\s*$|[\d.]$")
_DATE = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}-\d{2}-\d{2}|\d{1,2}\.? [A-Z][a-zä]{2,8}\.?"
    r" (?:19|20)\d{2}"
    r"|[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d{2})"
)
_NAME_WORD = r"[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ'’-]{1,20}"


def _ip_valid(address: str) -> bool:
    """A host's address: no mask, no loopback, and no section number such as 1.2.3.4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if found.version == 4:
        parts = [int(p) for p in address.split(".")]
        return parts[0] not in (0, 127, 255) and max(parts) > 19 and not address.endswith((".255.255", ".0.0"))
    return not (found.is_loopback or found.is_unspecified)


def _card_valid(number: str) -> bool:
    """Issuer ranges and lengths (ISO/IEC 7812), and the check digit."""
    digits = re.sub(r"\D", "", number)
    ranges = (
        *(r"4(?:\d{12}|\d{15}|\d{18})", r"5[1-5]\d{14}", r"2(?:2[2-9]|[3-6]\d|7[01]|720)\d{12,13}", r"3[47]\d{13}"),
        *(r"6\d{11,18}", r"5[06-9]\d{10,17}", r"3(?:0[0-59]|6\d|[89]\d)\d{11}", r"35\d{14}", r"(?:1800|2131)\d{11}"),
    )
    return any(re.fullmatch(r, digits) for r in ranges) and checksums.luhn_valid(digits)


_NUMBER_AND_NAME = re.compile(r"\d[A-Za-z]?,? (?:[A-Z0-9]|rue|avenue|boul|chemin|impasse|place)")
KINDS: tuple[ValueKind, ...] = (
    ValueKind(
        "EMAIL",
        re.compile(
            r"(?<![\w.+%-])[^\W_][\w.%+-]{0,63}@[^\W_](?:[\w-]{0,62}[^\W_])?(?:\.[^\W_][\w-]{0,62}){0,6}\.[^\W\d_]{2,24}\b"
        ),
        hint=("@",),
    ),
    ValueKind(
        "IBAN",
        re.compile(r"(?i)(?<![\w-])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![\w-])"),
        checksums.iban_valid,
        _FIVE,
    ),
    ValueKind(
        "CARD",
        re.compile(
            r"(?<![\w.-])[1-6]\d{3}(?:[ -]?\d{4}){2}(?:[ -]?\d{1,7})?(?![\w-])|(?<![\w.-])3\d{3}[ -]?\d{6}["
            r" -]?\d{4,5}(?![\w-])"
        ),
        _card_valid,
        _FIVE,
    ),
    ValueKind(
        "SSN", re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"), hint=_THREE_TWO
    ),
    ValueKind(
        "NINO",
        re.compile(r"\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
        hint=_FIVE,
    ),
    ValueKind(
        "NIR",
        re.compile(r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b"),
        checksums.french_nir_valid,
        _FIVE,
    ),
    ValueKind("CPF", re.compile(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"), checksums.cpf_valid, _THREE_TWO),
    ValueKind("CPF", re.compile(r"(?i:\bcpf\b\D{0,12})(\d{11})\b"), checksums.cpf_valid, _HINTS["cpf"]),
    ValueKind(
        "AADHAAR",
        re.compile(r"(?<![\w-])[2-9]\d{3} \d{4} \d{4}(?![\w-]| \d)|(?i:\baadhaa?r\b\D{0,20})([2-9]\d{11})\b"),
        checksums.aadhaar_valid,
        _FIVE,
    ),
    ValueKind(
        "TAX_ID",
        re.compile(
            r"(?i:\b(?:steuer-?(?:id|identifikations?)\w*|tax id\w*|tin|idnr)\b\D{0,15})(\d{2} ?\d{3} ?\d{3} ?\d{3})\b"
        ),
        checksums.german_tax_id_valid,
        _HINTS["tax_id"],
    ),
    ValueKind(
        "BSN",
        re.compile(
            r"(?i:\b(?:bsn|burgerservicenummer|sofi-?nummer)\b\D{0,12})(\d{9}|\d{3}[ .]\d{3}["
            r" .]\d{3}|\d{4}\.\d{2}\.\d{3})\b"
        ),
        checksums.bsn_valid,
        _HINTS["bsn"],
    ),
    ValueKind(
        "DNI",
        re.compile(r"(?<![\w-])(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z](?![\w-])"),
        checksums.spanish_id_valid,
        _FIVE,
    ),
    ValueKind(
        "CODICE_FISCALE",
        re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b"),
        checksums.codice_fiscale_valid,
        re.compile(r"[A-Z]\d\d[A-Z]\d"),
    ),
    ValueKind(
        "PASSPORT",
        re.compile(
            r"(?i:\b(?:passport|reisepass\w*|passeport|pasaporte)\b"
            r"(?:\s*(?:number|no\.?|nr\.?|num\w*|#))?\s*(?:is|:|=|#)?\s*)"
            r"((?=[A-Z0-9]*\d{4})[A-Z0-9]{7,9})\b"
        ),
        hint=_HINTS["passport"],
    ),
    ValueKind(
        "LICENCE",
        re.compile(
            r"(?i:\bdriv(?:er'?s?|ing)[ -]licen[cs]e(?:'s)?(?:\s*(?:number|no\.?|#))?\s*(?:is|:|=|#)?\s*)"
            r"((?=[A-Za-z0-9-]*\d{4})[A-Za-z0-9-]{6,15})\b"
        ),
        hint=_HINTS["licence"],
    ),
    ValueKind(
        "BIRTH_DATE",
        re.compile(
            r"(?i:\b(?:date of birth|d\.?o\.?b\.?|birth ?date|geburtsdatum|date de"
            r" naissance)\b)\W{0,3}(?:is|:|was)?\s{0,2}(" + _DATE + r")"
        ),
        hint=_HINTS["birth_date"],
    ),
    ValueKind(
        "IP",
        re.compile(r"(?<![\w.:/-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)"),
        _ip_valid,
        re.compile(r"\d\.\d{1,3}\.\d"),
        unless=_VERSION_WORDS,
    ),
    ValueKind(
        "IP",
        re.compile(r"(?i)(?<![\w:.])(?=[0-9a-f:]*\d)(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4}){1,4}(?![\w:])"),
        _ip_valid,
        re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]"),
    ),
    *PHONE_KINDS,
    ValueKind(
        "ADDRESS",
        re.compile(
            r"\b\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z0-9][\w'’.-]*"
            rf" ){{1,3}}(?:{any_of(_FACTS['address']['streets'])})"
            r"\b\.?(?:,? (?:Apt|Suite|Unit|Ste)\.? ?#?\w{1,5})?"
            r"|\b\d{1,4}(?: ?bis)?,? (?:rue|avenue|boulevard|chemin|impasse|place) (?:de |du |des |de la"
            r" |d['’])?[A-ZÉÈ][\wéèêàç'’-]+(?: [A-ZÉÈ][\wéèêàç'’-]+)*"
        ),
        hint=_NUMBER_AND_NAME,
        also=_STREETS,
    ),
    ValueKind(
        "ADDRESS",
        re.compile(
            r"\b[A-ZÄÖÜ][a-zäöüß-]{2,20}" rf"(?:{any_of(_FACTS['address']['street_endings'])})" r" \d{1,4} ?[a-z]?\b"
        ),
        hint=_STREET_ENDINGS,
    ),
    ValueKind(
        "NAME",
        re.compile(
            r"(?:\b[Mm]y (?:full )?name is|\b[Ii]ch heiße|\b[Jj]e m['’]appelle|\b[Mm]e llamo) ("
            + _NAME_WORD
            + r"(?: [A-Z]\.)? "
            + _NAME_WORD
            + r")\b"
        ),
        hint=_HINTS["name"],
    ),
)
