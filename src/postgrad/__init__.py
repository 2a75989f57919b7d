"""postgrad: bring examples; leave with a specialised model that is proven better, or with proof that you do not need
one.

`import postgrad as pg` gives the names below; each is loaded when it is used, and torch only where something is
computed. docs/python.md shows them at work.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from postgrad.version import __version__

if TYPE_CHECKING:
    from postgrad.arm_kinds import ArmKind
    from postgrad.errors import (
        DataError,
        GateError,
        Interrupted,
        ModelError,
        PostgradError,
        StorageError,
        TrainingError,
        UsageError,
    )
    from postgrad.evaluation.metrics import Metric
    from postgrad.findings import Check, Checked, Context, Finding, Repair
    from postgrad.objectives import ObjectiveSpec
    from postgrad.python.data import check, convert, read
    from postgrad.python.estimate import estimate
    from postgrad.python.jobs import compare, evaluate, run, train
    from postgrad.python.model import Model, ModelAnswer, load
    from postgrad.python.report import Report
    from postgrad.python.running import Running
    from postgrad.recipe import Recipe
    from postgrad.records import Conversation, Message, Preference, Rating, Record, Source, Task, Text, pair

__all__ = [
    "ArmKind",
    "Check",
    "Checked",
    "Context",
    "Conversation",
    "DataError",
    "Finding",
    "GateError",
    "Interrupted",
    "Message",
    "Metric",
    "Model",
    "ModelAnswer",
    "ModelError",
    "ObjectiveSpec",
    "PostgradError",
    "Preference",
    "Rating",
    "Recipe",
    "Record",
    "Repair",
    "Report",
    "Running",
    "Source",
    "StorageError",
    "Task",
    "Text",
    "TrainingError",
    "UsageError",
    "__version__",
    "check",
    "compare",
    "convert",
    "estimate",
    "evaluate",
    "load",
    "pair",
    "read",
    "run",
    "train",
]

_HOMES = {
    "postgrad.arm_kinds": "ArmKind",
    "postgrad.errors": (
        "DataError GateError Interrupted ModelError PostgradError StorageError TrainingError UsageError"
    ),
    "postgrad.evaluation.metrics": "Metric",
    "postgrad.findings": "Check Checked Context Finding Repair",
    "postgrad.objectives": "ObjectiveSpec",
    "postgrad.python.data": "check convert read",
    "postgrad.python.estimate": "estimate",
    "postgrad.python.jobs": "compare evaluate run train",
    "postgrad.python.model": "Model ModelAnswer load",
    "postgrad.python.report": "Report",
    "postgrad.python.running": "Running",
    "postgrad.recipe": "Recipe",
    "postgrad.records": "Conversation Message Preference Rating Record Source Task Text pair",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Loads a public name when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'postgrad' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
