"""Money from measured seconds and dated prices. Every figure carries its assumption; nothing is hidden in code."""

from __future__ import annotations

from dataclasses import dataclass

from postgrad.facts import load_facts

DAYS_A_MONTH = 30.4


@dataclass(frozen=True)
class MachinePrice:
    """What an hour of the machine costs, in USD, and where that figure comes from."""

    usd_per_hour: float
    assumption: str


def machine_price(kind: str, override: float | None = None) -> MachinePrice:
    """The price of an hour on this kind of device (`cpu` or `cuda`), or the user's own."""
    if override is not None:
        return MachinePrice(override, f"Machine time at {override:g} USD an hour, as given.")
    item = load_facts("prices")["own_gpu" if kind == "cuda" else "own_cpu"]
    return MachinePrice(
        item["usd_per_hour"],
        f"Machine time at {item['usd_per_hour']:g} USD an hour: {item['what']} ({item['date']}; {item['source']}).",
    )


def cost_of(seconds: float, price: MachinePrice) -> float:
    """USD."""
    return seconds / 3600 * price.usd_per_hour
