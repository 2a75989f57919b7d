"""Personal data: found with checksums, never shown, replaced by one placeholder for one value."""

from __future__ import annotations

import pytest

from postgrad.checks import run_checks
from postgrad.checks.personal_data import personal_data
from postgrad.checks.support.checksums import iban_valid, luhn_valid
from postgrad.checks.support.personal_kinds import KINDS
from postgrad.checks.support.redaction import Places, find_values, mask, redact
from postgrad.checks.support.secret_kinds import SECRET_KINDS
from postgrad.findings import Context
from postgrad.records import Conversation, Message, pair

ALL = (*SECRET_KINDS, *KINDS)
KEY = "sk-" + "proj-" + "a1B2c3D4e5" * 3


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to jo.doe+x@mail.example.org today", "EMAIL", "jo.doe+x@mail.example.org"),
        ("card 4111 1111 1111 1111 please", "CARD", "4111 1111 1111 1111"),
        ("amex 378282246310005.", "CARD", "378282246310005"),
        ("IBAN GB82 WEST 1234 5698 7654 32 thanks", "IBAN", "GB82 WEST 1234 5698 7654 32"),
        ("to DE89370400440532013000", "IBAN", "DE89370400440532013000"),
        ("call +44 20 7946 0958 now", "PHONE", "+44 20 7946 0958"),
        ("call (555) 123-4567", "PHONE", "(555) 123-4567"),
        ("tel 030 1234567", "PHONE", "030 1234567"),
        ("my number is 2 2168 797", "PHONE", "2 2168 797"),
        ("her mobile number is 556737-3523", "PHONE", "556737-3523"),
        ("reach me at +225 21 23 4 68233", "PHONE", "+225 21 23 4 68233"),
        ("fax (021) 0025-967", "PHONE", "(021) 0025-967"),
        ("Steuer-ID 86 095 742 719", "TAX_ID", "86 095 742 719"),
        ("ssn 123-45-6789", "SSN", "123-45-6789"),
        (f"my key is {KEY} ok", "SECRET", KEY),
        ("AKIA" + "QRSTUVWXIJ234567", "SECRET", "AKIA" + "QRSTUVWXIJ234567"),
    ],
)
def test_found(text, kind, value):
    assert [(k.name, v) for k, v in find_values(text, ALL)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "order FH-12345 from 2026-03-04 at 10:30",
        "order number 4111111111111112 is wrong",
        "it costs 1,549.00 and measures 137 by 64 cm",
        "GB82 WEST 1234 5698 7654 33",
        "version 1.2.3.4, build 20260304",
        "see @handle and a@b",
        "0000 0000 0000 0000",
        "add 472547338 and +960397912423686",  # no number of the Maldives has so many digits
        "profit per phone sold will be 1000/200",
        "Steuer-ID 16 923 156 849",  # its check digit fits, but two digits come twice
    ],
)
def test_not_found(text):
    assert find_values(text, ALL) == []


def test_checksums():
    assert luhn_valid("5500 0000 0000 0004") and not luhn_valid("5500 0000 0000 0005")
    assert iban_valid("CH93 0076 2011 6238 5295 7") and not iban_valid("CH93 0076 2011 6238 5295 8")


def test_values_never_show_and_placeholders_are_consistent():
    mail = "jo.doe@mail.example.org"
    records = [
        pair(f"I am {mail}", "Thank you."),
        Conversation(
            messages=(
                Message("user", "who?"),
                Message(
                    "assistant",
                    f"{mail} and pa@firm.example.org",
                    tool_calls=({"function": {"arguments": f'"{mail}"'}},),
                ),
            )
        ),
    ]
    finding = next(iter(personal_data()(records, Context())))
    assert mail not in finding.sentence + " ".join(finding.evidence) + str(finding.details)
    assert finding.severity == "warning" and not any(r.safe for r in finding.repairs)
    mended = {r.index: r.record for r in finding.repairs}
    assert mended[0].prompt_text == "I am [EMAIL_1]"
    assert mended[1].messages[1].content == "[EMAIL_1] and [EMAIL_2]"
    assert mended[1].messages[1].tool_calls[0]["function"]["arguments"] == '"[EMAIL_1]"'
    assert run_checks(records * 10, accept=["duplicates"]).kept[0] == records[0]


def test_redacting_twice_changes_nothing_more():
    once = redact(f"{KEY}, +44 20 7946 0958, x@y.example", Places(), ALL)
    assert once == "[SECRET_1], [PHONE_1], [EMAIL_1]"
    assert redact(once, Places(), ALL) == once


def test_mask_hides_all_but_one():
    assert mask("secret") == "s•••(6)"


def test_a_password_is_not_read_across_two_texts():
    from postgrad.checks import CHECKS
    from postgrad.findings import Context
    from postgrad.records import pair

    said = [pair("I cannot remember what my password is", "passcode_forgotten7")]
    assert list(CHECKS["secrets"]()(said, Context())) == []
    assert list(CHECKS["secrets"]()([pair("My password is: hunter2-Oak", "ok")], Context()))
