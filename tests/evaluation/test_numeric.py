"""Numbers as people write them, compared with their units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.evaluation.metrics.numeric import is_quantity, last_number, numeric
from postgrad.evaluation.metrics.support.quantity import last_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So 12 + 30 = 42.", 42),
        ("12 - 5", 5),
        ("#### 1,234.5", 1234.5),
        ("#### 18\nThat is the result for all 3 of them.", 3),
        ("−3", -3),
        ("1e3", 1000),
        (".5", 0.5),
        ("none", None),
        ("5-3", 3),
        ("9" * 400, None),
        ("step 1: 4 #### none", 4),
    ],
)
def test_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "number", "kind"),
    [
        ("It cost $1.2 million.", 1_200_000, "USD"),
        ("1.234,50 €", 1234.5, "EUR"),
        ("€ 12,50", 12.5, "EUR"),
        ("1'234'567 CHF", 1_234_567, "CHF"),
        ("-$5", -5, "USD"),
        ("£3bn", 3e9, "GBP"),
        ("$5m", 5e6, "USD"),
        ("5 m", 5, "length"),
        ("12.5%", 12.5, "share"),
        ("12 per cent", 12, "share"),
        ("a 10-mile run", 10, "length"),
        ("80 km/h", 80, "speed"),
        ("5 in total", 5, ""),
        ("the list 1,2", 2, ""),
        ("18 eggs", 18, ""),
        ("7 kilograms", 7, "mass"),
        ("12 - 5", 5, ""),
        ("minus 20 °C", 20, "temperature"),
    ],
)
def test_last_quantity(text: str, number: float, kind: str) -> None:
    found = last_quantity(text)
    assert found is not None and (found.number, found.kind) == (pytest.approx(number), kind)


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("3 km", "3,000 m", 1),
        ("3 km", "3 m", 0),
        ("3 km", "3 hours", 0),
        ("3", "3 km", 1),
        ("$5", "€5", 0),
        ("5 dollars", "$5.00", 1),
        ("12 %", "0.12", 1),
        ("12 %", "12", 1),
        ("12 %", "0.13", 0),
        ("1.2 million", "1,200,000", 1),
        ("90 minutes", "1.5 h", 1),
        ("68 °F", "20 °C", 1),
        ("one", "1", 0),
    ],
)
def test_units(answer: str, reference: str, right: float) -> None:
    assert numeric()(answer, reference) == numeric()(reference, answer) == right


def test_tolerance_is_in_the_references_unit() -> None:
    assert numeric()("3.14", "3.15") == 0
    assert numeric(tolerance=0.011)("3.14", "3.15") == 1
    assert numeric(tolerance=0.1)("3,050 m", "3 km") == 1
    assert numeric(tolerance=0.1)("3.05 km", "3,000 m") == 0
    assert numeric(relative=0.01)("99.5", "100") == 1
    assert numeric(units=False)("3 km", "3 m") == 1
    assert numeric()("about 42.0", "42") == 1


def test_what_is_a_number_and_nothing_else() -> None:
    assert all(map(is_quantity, ["12", "12 km", "$5", "1.5 %", "-3.", "€ 12,50"]))
    assert not any(map(is_quantity, ["12 apples and 3", "", "three", "Room 12", "2026-11-21"]))


@given(st.floats(-1e12, 1e12, allow_nan=False), st.sampled_from(["", " km", " %", " €", " kg", " h"]))
def test_a_number_equals_itself_however_it_is_printed(value: float, unit: str) -> None:
    assert numeric()(f"{value!r}{unit}", f"{value!r}{unit}") == 1
    rounded = round(value, 2)
    assert numeric()(f"{rounded:,.2f}{unit}", f"{rounded:.2f}{unit}") == 1
