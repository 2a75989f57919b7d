"""`postgrad prices`: every price that estimates and reports use, with its date and source."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from postgrad.cli.support.door import errors, out


def command(
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Fetch newer prices of hosted models (genai-prices), and your own at --url."),
    ] = False,
    url: Annotated[
        str, typer.Option("--url", envvar="POSTGRAD_PRICES_URL", help="Address of a price file of your own (JSON).")
    ] = "",
    tables: Annotated[
        str, typer.Option("--tables", envvar="POSTGRAD_GENAI_PRICES_URL", help="Another address of genai-prices.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Shows the prices; those older than half a year or without a date are marked with `!`."""
    from postgrad import prices

    if refresh:
        _refresh(url, tables)
    today = datetime.now(UTC).date()
    rows = list(prices.all_prices().values())
    if json:
        out(jsonlib.dumps([{**asdict(p), "age_days": p.age(today), "old": p.is_old(today)} for p in rows]))
        return
    for price in rows:
        age = price.age(today)
        told = "undated" if age is None else f"{price.date}, {age} days old"
        out(f"{'!' if price.is_old(today) else ' '} {price.usd:>8g} USD / {price.unit:<24} {price.what}")
        out(f"    {price.key}: {told}; {price.source}")
    if old := [p.key for p in rows if p.is_old(today)]:
        errors.print(
            f"! {len(old)} of {len(rows)} prices are older than {prices.OLD_DAYS} days or undated: look them up before"
            " you rest a decision on them.",
            markup=False,
        )


def _refresh(url: str, tables: str) -> None:
    """Both sources, each by itself: what one cannot give does not keep the other back."""
    from postgrad import prices
    from postgrad.errors import PostgradError, UsageError
    from postgrad.models.remote.prices import fetch_tables, tables_at

    failed: list[PostgradError] = []
    try:
        errors.print(f"Prices of {fetch_tables(tables)} services, kept in {tables_at()}.", markup=False)
    except UsageError as error:
        failed.append(error)
    if url:
        try:
            errors.print(f"{len(prices.refresh(url))} prices of {url}, kept in {prices.kept_at()}.", markup=False)
        except UsageError as error:
            failed.append(error)
    if failed:
        raise UsageError("; ".join(e.message for e in failed), failed[0].mend)
