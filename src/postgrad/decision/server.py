"""A machine rented by the month, idle or not: what a price by machine time leaves out. No I/O.

An answer that costs half a second of a machine is only paid by the second where machines are. On a server that runs all
month every arm costs the same until the server is full, and then only wrong answers count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postgrad.arm_kinds import is_remote
from postgrad.decision.money import Costs, Sensitivity, break_even

HOURS_A_MONTH = 730
RENTED = "machine rented by the month, idle or not"


def busy_hours(per_1000: Mapping[str, float], usd_per_hour: float, monthly_queries: int | None) -> dict[str, float]:
    """Hours a month that each arm keeps this machine busy; nothing where the traffic or the machine's price is unknown.

    Args:
        per_1000: Arm → USD for 1,000 answers by machine time; arms that answer elsewhere are left out.
        usd_per_hour: Of this machine.
        monthly_queries: Expected traffic.
    """
    if not monthly_queries or usd_per_hour <= 0:
        return {}
    here = {arm: price for arm, price in per_1000.items() if not is_remote(arm)}
    return {arm: price / usd_per_hour * monthly_queries / 1000 for arm, price in here.items()}


def rented_sentence(hours: Mapping[str, float], usd_per_hour: float, monthly_queries: int) -> str:
    """What the machine costs by the month beside what it is used."""
    low, high = min(hours.values()), max(hours.values())
    span = f"{low:,.1f}" if f"{low:,.1f}" == f"{high:,.1f}" else f"{low:,.1f} to {high:,.1f}"
    machines = max(1, -(-high // HOURS_A_MONTH))
    rent = HOURS_A_MONTH * usd_per_hour
    told = (
        f"{monthly_queries:,} queries a month keep this machine busy for {span} of {HOURS_A_MONTH} hours, by arm. "
        f"Rented by the month it costs {rent:,.2f} USD"
    )
    if machines == 1:
        return f"{told} whichever arm answers; cheaper answers then save nothing, only fewer wrong ones do."
    return f"{told}, and the slowest arm needs {machines:.0f} of them, always fully loaded."


def rented_sensitivity(costs: Costs, hours: Mapping[str, float], tuned: str, against: str) -> list[Sensitivity]:
    """The break-even where the machine is paid for anyway; nothing where one machine is not enough for both arms."""
    if not {tuned, against} <= hours.keys() or max(hours[tuned], hours[against]) > HOURS_A_MONTH:
        return []
    prices = {arm: 0.0 if arm in hours else price for arm, price in costs.per_answer.items()}
    found = break_even(replace(costs, per_answer=prices), tuned, [against])
    return [Sensitivity(RENTED, row.days) for row in found]
