"""Money from measured seconds and dated prices. Every figure carries its assumption; nothing is hidden in code."""

from __future__ import annotations

from dataclasses import dataclass

from postgrad.prices import device_price

DAYS_A_MONTH = 30.4


@dataclass(frozen=True)
class MachinePrice:
    """What an hour of the machine costs, in USD, and where that figure comes from."""

    usd_per_hour: float
    assumption: str


def machine_price(kind: str, override: float | None = None, name: str = "") -> MachinePrice:
    """The price of an hour on this device, or the user's own.

    Args:
        kind: `cpu` or `cuda`.
        override: The user's price of an hour; None: the table's.
        name: As the driver calls the device, which tells a T4 from an H100.
    """
    if override is not None:
        return MachinePrice(override, f"Machine time at {override:g} USD an hour, as given.")
    item = device_price(kind, name)
    return MachinePrice(item.usd, f"Machine time at {item.usd:g} USD an hour: {item.origin}.")


def cost_of(seconds: float, price: MachinePrice) -> float:
    """USD."""
    return seconds / 3600 * price.usd_per_hour
