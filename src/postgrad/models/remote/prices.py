"""What a remote model's tokens cost, by the tables of the package genai-prices: they lie inside it and ask no
network."""

from __future__ import annotations

import re

from postgrad.models.remote.rules import TokenPrice

MILLION = 1_000_000


def known_price(url: str, model: str) -> tuple[TokenPrice, str] | None:
    """The public price of a model at an address, and where it comes from, with its date where that is told.

    None where the package is not installed, or does not know that address (a server of one's own) or that model.
    """
    try:
        import genai_prices
    except ImportError:
        return None
    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=MILLION, output_tokens=MILLION), model, provider_api_url=url
        )
    except LookupError:
        return None
    told = re.search(r"\d{4}-\d{2}-\d{2}", str(found.model.price_comments or ""))
    dated = f", checked {told[0]}" if told else ""
    source = f"{found.provider.name}'s list price by genai-prices {genai_prices.__version__}{dated}"
    return TokenPrice(float(found.input_price), float(found.output_price)), source
