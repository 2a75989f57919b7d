"""What a remote model's tokens cost, by the tables of the package genai-prices: they lie inside it and ask no
network. `postgrad prices --refresh` fetches its newer ones, which are used from then on."""

from __future__ import annotations

import functools
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from postgrad.errors import UsageError
from postgrad.models.remote.rules import TokenPrice
from postgrad.prices import UNCHANGED, read_json
from postgrad.storage import home, write_atomic

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

MILLION = 1_000_000


def known_price(url: str, model: str) -> tuple[TokenPrice, str] | None:
    """The public price of a model at an address, and where it comes from, with its date where that is told.

    None where the package is not installed, or does not know that address (a server of one's own) or that model.
    """
    try:
        import genai_prices
    except ImportError:
        return None
    from genai_prices.data_snapshot import set_custom_snapshot

    path = tables_at()
    kept = _kept(path, path.stat().st_mtime_ns) if path.exists() else None
    set_custom_snapshot(kept[0] if kept else None)
    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=MILLION, output_tokens=MILLION), model, provider_api_url=url
        )
    except LookupError:
        return None
    told = re.search(r"\d{4}-\d{2}-\d{2}", str(found.model.price_comments or ""))
    dated = f", checked {told[0]}" if told else ""
    tables = f"fetched {kept[1]}" if kept else genai_prices.__version__
    source = f"{found.provider.name}'s list price by genai-prices {tables}{dated}"
    return TokenPrice(float(found.input_price), float(found.output_price)), source


def tables_at() -> Path:
    """Where fetched tables are kept."""
    return home() / "genai-prices.json"


def fetch_tables(url: str = "") -> int:
    """Fetches the tables that genai-prices publishes and keeps them; a failure leaves the kept ones.

    Args:
        url: Another address of tables in its form; "": the package's own.

    Returns:
        The number of services in them.

    Raises:
        UsageError: The package is missing, the address cannot be read, or no such tables stand there.
    """
    try:
        from genai_prices.update_prices import DEFAULT_UPDATE_URL
    except ImportError as error:
        raise UsageError("genai-prices is not installed.", f"pip install 'postgrad[remote]'. {UNCHANGED}") from error
    address = url or DEFAULT_UPDATE_URL
    tables = read_json(address)
    try:
        services = len(_snapshot(tables).providers)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"No tables of genai-prices stand at {address!r}: {str(error)[:200]}", UNCHANGED) from error
    if not services:
        raise UsageError(f"The tables at {address!r} are empty.", UNCHANGED)
    today = datetime.now(UTC).date().isoformat()
    write_atomic(tables_at(), json.dumps({"date": today, "tables": tables}))
    return services


@functools.lru_cache(maxsize=2)
def _kept(path: Path, _changed: int) -> tuple[DataSnapshot, str]:
    try:
        kept = json.loads(path.read_text("utf-8"))
        return _snapshot(kept["tables"]), str(kept["date"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"The kept prices {str(path)!r} cannot be read: {str(error)[:200]}",
            "Delete the file, or fetch it again: postgrad prices --refresh.",
        ) from error


def _snapshot(tables: object) -> DataSnapshot:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import _providers_from_raw  # pyright: ignore[reportPrivateUsage]

    if not isinstance(tables, list):
        raise ValueError("a list of services is needed")
    # as its own updater reads them; a newer form than the installed package knows is refused
    return DataSnapshot(_providers_from_raw(tables), from_auto_update=True)
