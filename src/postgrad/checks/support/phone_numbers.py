"""What a telephone number looks like: an international one by its country's lengths, any other by its form or by the
words before it.

The numbers of each country are those of Google's libphonenumber, in Python's port. It is asked where it knows more than
a form does: whether a number with a country code can be one, and whether digits that words announce are one anywhere.
Forms decide the rest, because numbers that people invent (555-0100) are no country's and must be found all the same.
"""

from __future__ import annotations

import re
from functools import lru_cache

from postgrad.checks.support.redaction import ValueKind
from postgrad.facts import any_of, load_facts

_FACTS = load_facts("personal_data")["phone"]
_EXTENSION = r"(?:\s?(?:x|ext\.? ?)\d{1,6})?"
_END = r"(?![\w-]|[.,]\d)"
_DIGITS = re.compile(r"\d(?:[ ()./-]{0,2}\d){6}")
_ANNOUNCED = re.compile(rf"(?i)\b(?:{any_of(_FACTS['announcing'])})\b[^\n]{{0,30}}$")
_SOMETHING_ELSE = re.compile(
    rf"(?i)(?:{any_of(_FACTS['other_numbers'])})\W*(?:number|no|nr|num|code)?\W{{0,4}}(?:is|was)?\W{{0,3}}$"
    r"|[$€£¥]\s*$|https?://\S*$"
)
_STEMS = tuple(spelled for stem in _FACTS["stems"] for spelled in (stem, stem.capitalize(), stem.upper()))


def phone_formed(number: str) -> bool:
    """Between 7 and 15 digits (ITU-T E.164) besides an extension, and no date, no row of years or round figures."""
    digits = re.sub(r"\D", "", _without_extension(number))
    date = re.fullmatch(r"\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}", number.strip())
    years = re.fullmatch(r"(?:19|20)\d\d\D+(?:19|20)\d\d", number.strip())
    counted = digits in "0123456789012345" or digits in "9876543210987654"
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2 and not counted and date is None and years is None


def possible_with_country(number: str) -> bool:
    """Whether the code after its + is some country's and the rest as long as numbers are there.

    What begins with 00 is judged by its form: people invent such numbers, and hardly anything else begins so.
    """
    if number.startswith("00") or not phone_formed(number):
        return phone_formed(number)
    import phonenumbers  # only where a text holds such a number: its tables are large

    try:
        parsed = phonenumbers.parse(_dialled(number), None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(parsed)


@lru_cache(maxsize=4096)
def valid_somewhere(number: str) -> bool:
    """Whether it is a valid number of any country, written as there."""
    if not phone_formed(number):
        return False
    import phonenumbers

    def valid(region: str) -> bool:
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
        except phonenumbers.NumberParseException:
            return False

    return any(map(valid, sorted(phonenumbers.SUPPORTED_REGIONS)))


def _dialled(number: str) -> str:
    """`+44 (0)20…` without the zero that is dialled at home alone."""
    return _without_extension(number).replace("(0)", "")


def _without_extension(number: str) -> str:
    return re.split(r"(?i)\s*(?:x|ext)", number)[0]


PHONE_KINDS: tuple[ValueKind, ...] = (
    ValueKind(
        "PHONE",
        re.compile(
            r"(?<![\w.+/-])(?:\+\d{1,3}[ ./-]?(?:\(0?\d{1,5}\)[ ./-]?)?|(?<!\) )00[1-9]\d?[ ./-]?)"
            rf"\d{{1,5}}(?:[ ./-]?\d{{1,5}}){{1,6}}{_EXTENSION}{_END}"
        ),
        possible_with_country,
        _DIGITS,
        unless=_SOMETHING_ELSE,
    ),
    ValueKind(
        "PHONE",
        re.compile(
            r"(?<![\w.+/-])(?:(?:1[ .-])?\(\d{2,5}\)[ ./-]?\d{3,4}[ .-]?\d{3,5}"
            r"|(?:1[.-])?\d{3}(?:\.\d{3}\.|-\d{3}-)\d{4}|\d{3} \d{3} \d{4}"
            r"|0\d{1,5}[ /-]\d{3,4}(?:[ -]?\d{2,4}){1,3}|0\d{2,3} \d{7,8}|0\d(?: \d\d){4})"
            rf"{_EXTENSION}{_END}"
        ),
        phone_formed,
        _DIGITS,
        unless=_SOMETHING_ELSE,
    ),
    ValueKind(  # forms of other countries: 2 345 678, (2) 2123 4567, 8 029 491-19-11
        "PHONE",
        re.compile(rf"(?<![\w.+/-])(?:\(\d{{1,4}}\) ?)?\d+(?:[ -]\d+){{0,5}}[ -]\d{{2,}}{_END}"),
        valid_somewhere,
        _DIGITS,
        also=_STEMS,
        after=_ANNOUNCED,
        unless=_SOMETHING_ELSE,
    ),
    ValueKind(
        "PHONE",
        re.compile(
            rf"(?<![\w.+/-])(?:\(\d{{2,5}}\) ?)?\d{{2,5}}(?:[ .-]\d{{2,8}}){{1,5}}{_EXTENSION}{_END}"
            rf"|(?<![\w.+/-])\d{{7,12}}{_END}"
        ),
        phone_formed,
        _DIGITS,
        also=_STEMS,
        after=_ANNOUNCED,
        unless=_SOMETHING_ELSE,
    ),
    # the line after an address that ends with its postal code, and numbers that say what they are behind them
    ValueKind(
        "PHONE",
        re.compile(
            r"(?<=\n)((?:\(\d{2,5}\) ?|\+?\d{1,5}[ .-])\d{2,8}(?:[ .-]\d{2,5}){0,4}(?:\s?x\d{1,6})?)(?= *(?:\n|$|-))"
            r"|(?<![\w.+/-])((?:\(\d{2,5}\) ?|\+?\d{1,5}[ .-])\d{2,8}(?:[ .-]\d{2,5}){0,4}(?:\s?x\d{1,6})?)(?=[-"
            r" ]?\(?(?:[Oo]ffice|[Ff]ax|[Mm]obile|[Cc]ell)\b)"
        ),
        phone_formed,
        _DIGITS,
        after=re.compile(
            r"[^\W\d_]{2}[^\n]*\d{3,6}\s*\n$|(?:[Oo]ffice|[Ff]ax)\W{0,4}$|\d[- ](?:[Oo]ffice|[Ff]ax|[Mm]obile)"
        ),
        unless=_SOMETHING_ELSE,
    ),
)
