"""A machine rented by the month, idle or not: what a price by machine time leaves out. No I/O.

An answer that costs half a second of a machine is only paid by the second where machines are. On a server that runs all
month every language model on it costs the same until the server is full, and then only wrong answers count; against an
arm that needs no such machine (a remote model, a plain classifier) its rent is a monthly cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postgrad.arm_kinds import is_plain, is_remote
from postgrad.decision.money import Costs, Sensitivity, break_even

HOURS_A_MONTH = 730
RENTED = "machine rented by the month, idle or not"


def is_hosted(arm: str) -> bool:
    """Whether a language model on a machine of ours answers."""
    return not is_remote(arm) and not is_plain(arm)


def busy_hours(per_1000: Mapping[str, float], usd_per_hour: float, monthly_queries: int | None) -> dict[str, float]:
    """Hours a month that each arm keeps this machine busy; nothing where the traffic or the machine's price is unknown.

    Args:
        per_1000: Arm → USD for 1,000 answers by machine time; arms that need no machine for a model are left out.
        usd_per_hour: Of this machine.
        monthly_queries: Expected traffic.
    """
    if not monthly_queries or usd_per_hour <= 0:
        return {}
    here = {arm: price for arm, price in per_1000.items() if is_hosted(arm)}
    return {arm: price / usd_per_hour * monthly_queries / 1000 for arm, price in here.items()}


def rents(hours: Mapping[str, float], usd_per_hour: float) -> dict[str, float]:
    """USD a month for as many machines as each arm needs, idle or not."""
    return {arm: HOURS_A_MONTH * usd_per_hour * _machines(busy) for arm, busy in hours.items()}


def rented_sentence(
    hours: Mapping[str, float], usd_per_hour: float, monthly_queries: int, elsewhere: bool = False
) -> str:
    """What the machine costs by the month beside what it is used.

    Args:
        hours: From `busy_hours`.
        usd_per_hour: Of this machine.
        monthly_queries: Expected traffic.
        elsewhere: Whether other arms were measured that need no such machine.
    """
    low, high = min(hours.values()), max(hours.values())
    span = f"{low:,.1f}" if f"{low:,.1f}" == f"{high:,.1f}" else f"{low:,.1f} to {high:,.1f}"
    told = (
        f"{monthly_queries:,} queries a month keep this machine busy for {span} of {HOURS_A_MONTH} hours, by arm. "
        f"Rented by the month it costs {HOURS_A_MONTH * usd_per_hour:,.2f} USD"
    )
    if _machines(high) > 1:
        told += f", and the slowest arm needs {_machines(high)} of them, always fully loaded."
    else:
        which = "of the models on it" if elsewhere else "arm"
        told += f" whichever {which} answers; cheaper answers then save nothing, only fewer wrong ones do."
    apart = " Remote models and arms without a language model need none: against them the rent is a monthly cost."
    return told + (apart if elsewhere else "")


def rented_sensitivity(
    costs: Costs, hours: Mapping[str, float], usd_per_hour: float, tuned: str, against: str
) -> list[Sensitivity]:
    """The break-even where the machine is paid by the month: answers on it cost nothing, and its rent is paid by every
    arm that needs it. Nothing where the arm `tuned` needs none."""
    if tuned not in hours:
        return []
    prices = {arm: 0.0 if arm in hours else price for arm, price in costs.per_answer.items()}
    rent = rents(hours, usd_per_hour)
    monthly = {arm: costs.fixed(arm) + rent.get(arm, 0.0) for arm in costs.per_answer}
    found = break_even(replace(costs, per_answer=prices, monthly=monthly), tuned, [against])
    return [Sensitivity(RENTED, row.days) for row in found]


def _machines(hours: float) -> int:
    return int(max(1, -(-hours // HOURS_A_MONTH)))
