"""What is to come in a run, told at its start, so that whoever waits knows how far it is."""

from __future__ import annotations

from postgrad.progress import Outline

_SHARES = {
    "data": 0.03,
    "model": 0.01,
    "arms": 0.28,
    "general": 0.05,
    "wanted_answers": 0.2,
    "training": 0.28,
    "fine_tuned": 0.04,
    "forgetting": 0.07,
    "automation": 0.01,
    "disturbances": 0.03,
    "must_pass": 0.02,
    "win_rates": 0.1,
    "voice": 0.01,
    "curve": 0.17,
    "verdict": 0.01,
}
"""Of a run's time, as its demo takes it; what is left out leaves its share to the others."""
TRAINING_SHARE = _SHARES["training"]
_TRAINED = frozenset({"wanted_answers", "training", "fine_tuned", "curve"})
_GENERAL = frozenset({"general", "forgetting"})


def course(
    minutes: float | None,
    *,
    trains: bool,
    general: bool,
    disturbed: bool,
    must_pass: bool,
    curve: bool,
    wanted_answers: bool = False,
    win_rates: bool = False,
    voice: bool = False,
) -> Outline:
    """The stages of a run, in order.

    Args:
        minutes: What it is planned to take; None where that is not known yet.
        trains: Whether it trains.
        general: Whether forgetting is tested.
        disturbed: Whether disturbed requests are asked.
        must_pass: Whether there are cases of the user's own.
        curve: Whether there may be a learning curve.
        win_rates: Whether a judge is asked whose answers are better.
        voice: Whether the data is raw text, whose voice is compared.
        wanted_answers: Whether there is a training on the good answers alone.
    """
    left_out: set[str] = set()
    if not trains:
        left_out |= _TRAINED | _GENERAL
    if not general:
        left_out |= _GENERAL
    for name, there in (
        ("disturbances", disturbed),
        ("must_pass", must_pass),
        ("curve", curve),
        ("wanted_answers", wanted_answers),
        ("win_rates", win_rates),
        ("voice", voice),
    ):
        if not there:
            left_out.add(name)
    return Outline({name: share for name, share in _SHARES.items() if name not in left_out}, minutes)
