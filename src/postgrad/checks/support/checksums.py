"""The check digits of cards, accounts and national identity numbers: what tells a number from any other number."""

from __future__ import annotations

import re

_IBAN_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NL": 18,
    "NO": 15,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "SA": 24,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
}
_FISCAL_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ],
        strict=True,
    )
)
_VERHOEFF_PERMUTE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def digits_of(value: str) -> list[int]:
    """The digits in a text, in order."""
    return [int(c) for c in value if c.isascii() and c.isdigit()]


def luhn_valid(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1), 12 to 19 digits."""
    digits = digits_of(number)
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def iban_valid(number: str) -> bool:
    """Country, length and check digits of a bank account number (ISO 13616: the rearranged number modulo 97 is 1)."""
    compact = re.sub(r"[\s-]", "", number).upper()
    if _IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def german_tax_id_valid(number: str) -> bool:
    """The German tax identification number: eleven digits, the last by ISO 7064 mod 11,10; one digit repeats."""
    digits = digits_of(number)
    if len(digits) != 11 or digits[0] == 0 or len(set(digits[:10])) not in (8, 9):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def french_nir_valid(number: str) -> bool:
    """The French social security number: thirteen digits and the key 97 − n mod 97; Corsica's 2A and 2B count 19 and
    18."""
    compact = re.sub(r"[\s.]", "", number).upper()
    compact = compact[:5] + compact[5:7].replace("2A", "19").replace("2B", "18") + compact[7:]
    return len(compact) == 15 and compact.isdigit() and 97 - int(compact[:13]) % 97 == int(compact[13:])


def spanish_id_valid(number: str) -> bool:
    """The letter of a Spanish DNI or NIE (number modulo 23)."""
    compact = re.sub(r"[\s.-]", "", number).upper()
    body = str("XYZ".index(compact[0])) + compact[1:-1] if compact[0] in "XYZ" else compact[:-1]
    return body.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23] == compact[-1]


def codice_fiscale_valid(code: str) -> bool:
    """The last letter of an Italian codice fiscale (sum of position values modulo 26)."""
    code = code.upper()
    values = [
        _FISCAL_ODD[c] if i % 2 == 0 else (int(c) if c.isdigit() else ord(c) - 65) for i, c in enumerate(code[:15])
    ]
    return len(code) == 16 and chr(65 + sum(values) % 26) == code[15]


def bsn_valid(number: str) -> bool:
    """The Dutch citizen service number: the eleven test, with the last digit counted −1."""
    digits = digits_of(number)
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return len(digits) == 9 and sum(w * d for w, d in zip(weights, digits, strict=True)) % 11 == 0 and any(digits)


def cpf_valid(number: str) -> bool:
    """Both check digits of a Brazilian CPF (modulo 11)."""
    digits = digits_of(number)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    for size in (9, 10):
        total = sum(d * w for d, w in zip(digits[:size], range(size + 1, 1, -1), strict=True))
        if total * 10 % 11 % 10 != digits[size]:
            return False
    return True


def aadhaar_valid(number: str) -> bool:
    """The last digit of an Indian Aadhaar number (Verhoeff's scheme), twelve digits."""
    digits = digits_of(number)
    if len(digits) != 12 or len(set(digits)) < 3:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        for _ in range(place % 8):
            digit = _VERHOEFF_PERMUTE[digit]
        total = _dihedral(total, digit)
    return total == 0


def _dihedral(left: int, right: int) -> int:
    """The product in the symmetry group of the pentagon, on which Verhoeff's scheme rests."""
    if left < 5:
        return (left + right) % 5 + (5 if right >= 5 else 0)
    return (left - right) % 5 + (0 if right >= 5 else 5)
