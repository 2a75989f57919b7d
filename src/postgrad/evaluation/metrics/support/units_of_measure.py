"""The units that numbers are compared in: what they measure and how much of the base unit one is."""

from __future__ import annotations

SHARE = "share"
SCALES: dict[str, float] = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "K": 1e3, "million": 1e6, "millions": 1e6, "mio": 1e6, "Mio": 1e6, "Mio.": 1e6,
    "mn": 1e6, "m": 1e6, "M": 1e6, "billion": 1e9, "billions": 1e9, "bn": 1e9, "b": 1e9, "B": 1e9, "trillion": 1e12,
    "Tsd.": 1e3, "Millionen": 1e6, "Milliarden": 1e9,
}  # fmt: skip
"""Words that multiply; m, M, b and B only in amounts of money."""

CURRENCIES: dict[str, str] = {
    "$": "USD", "US$": "USD", "USD": "USD", "dollar": "USD", "dollars": "USD", "€": "EUR", "EUR": "EUR", "euro": "EUR",
    "euros": "EUR", "Euro": "EUR", "£": "GBP", "GBP": "GBP", "¥": "JPY", "JPY": "JPY", "yen": "JPY", "₹": "INR", "INR": "INR",
    "CHF": "CHF", "CNY": "CNY", "AUD": "AUD", "CAD": "CAD",
}  # fmt: skip

_BY_KIND: dict[str, dict[str, float]] = {
    SHARE: {"%": 0.01, "percent": 0.01, "per cent": 0.01, "Prozent": 0.01, "‰": 0.001},
    "length": {
        "km": 1e3, "kilometre": 1e3, "kilometres": 1e3, "kilometer": 1e3, "kilometers": 1e3, "m": 1.0, "metre": 1.0, "metres": 1.0,
        "meter": 1.0, "meters": 1.0, "cm": 0.01, "centimetre": 0.01, "centimetres": 0.01, "centimeter": 0.01, "centimeters": 0.01,
        "mm": 0.001, "µm": 1e-6, "nm": 1e-9, "mile": 1609.344, "miles": 1609.344, "mi": 1609.344, "yard": 0.9144, "yards": 0.9144,
        "foot": 0.3048, "feet": 0.3048, "ft": 0.3048, "inch": 0.0254, "inches": 0.0254,
    },
    "area": {"m²": 1.0, "m2": 1.0, "sqm": 1.0, "km²": 1e6, "km2": 1e6, "cm²": 1e-4, "ha": 1e4, "hectare": 1e4, "hectares": 1e4},
    "mass": {
        "kg": 1.0, "kilogram": 1.0, "kilograms": 1.0, "g": 1e-3, "gram": 1e-3, "grams": 1e-3, "mg": 1e-6, "µg": 1e-9, "tonne": 1e3,
        "tonnes": 1e3, "lb": 0.45359237, "lbs": 0.45359237, "oz": 0.028349523125, "ounce": 0.028349523125, "ounces": 0.028349523125,
    },
    "volume": {
        "l": 1.0, "L": 1.0, "litre": 1.0, "litres": 1.0, "liter": 1.0, "liters": 1.0, "dl": 0.1, "cl": 0.01, "ml": 1e-3, "mL": 1e-3,
        "m³": 1e3, "m3": 1e3, "cm³": 1e-3,
    },
    "time": {
        "ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0,
        "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0, "day": 86400.0, "days": 86400.0, "week": 604800.0,
        "weeks": 604800.0,
    },
    "speed": {"m/s": 1.0, "km/h": 1 / 3.6, "mph": 0.44704},
    "data": {"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3},
    "energy": {"J": 1.0, "kJ": 1e3, "Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9, "kcal": 4184.0},
    "power": {"W": 1.0, "kW": 1e3, "MW": 1e6},
}  # fmt: skip
UNITS: dict[str, tuple[str, float, float]] = {
    **{unit: (kind, factor, 0.0) for kind, units in _BY_KIND.items() for unit, factor in units.items()},
    "°C": ("temperature", 1.0, 0.0),
    "°F": ("temperature", 5 / 9, -160 / 9),
}
"""Unit → (what it measures, factor, offset). Words with another common meaning (in, pound, ton) are left out."""
