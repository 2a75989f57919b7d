"""The check digits of cards, accounts and national identity numbers: what tells a number from any other number.

The rules of each number are python-stdnum's; a rule's module is imported when the first number asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module


def digits_of(value: str) -> list[int]:
    """The digits in a text, in order."""
    return [int(c) for c in value if c.isascii() and c.isdigit()]


def _by(rule: str) -> Callable[[str], bool]:
    """Whether a module of stdnum calls a number valid."""

    def valid(number: str) -> bool:
        return import_module(f"stdnum.{rule}").is_valid(number)

    return valid


def luhn_valid(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1), 12 to 19 digits, not all the same."""
    digits = digits_of(number)
    return 12 <= len(digits) <= 19 and len(set(digits)) > 1 and _by("luhn")("".join(map(str, digits)))


def iban_valid(number: str) -> bool:
    """Country, length, form and check digits of a bank account number (ISO 13616).

    The check digits that some countries put inside are not asked for: an invented account is told by its form too.
    """
    return import_module("stdnum.iban").is_valid(number, check_country=False)


german_tax_id_valid = _by("de.idnr")
"""The German tax identification number: eleven digits, the last by ISO 7064 mod 11,10."""
french_nir_valid = _by("fr.nir")
"""The French social security number with its key; Corsica's 2A and 2B too."""
codice_fiscale_valid = _by("it.codicefiscale")
"""The last letter of an Italian codice fiscale, and the date of birth in it."""
bsn_valid = _by("nl.bsn")
"""The Dutch citizen service number: the eleven test."""
cpf_valid = _by("br.cpf")
"""Both check digits of a Brazilian CPF."""
aadhaar_valid = _by("in_.aadhaar")
"""The last digit of an Indian Aadhaar number (Verhoeff's scheme)."""


def spanish_id_valid(number: str) -> bool:
    """The letter of a Spanish DNI or NIE (number modulo 23)."""
    return _by("es.dni")(number) or _by("es.nie")(number)
