"""Open base models that people fine-tune, as facts: sizes, licence, languages, and what their templates do.

From `facts/bases.toml`, each with its date and source. Nothing is fetched, and torch is not imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from postgrad.errors import UsageError
from postgrad.facts import load_facts
from postgrad.json_types import JsonObject

Use = Literal["yes", "conditions", "no"]


@dataclass(frozen=True)
class OpenBase:
    """One base model.

    Attributes:
        id: What `--base` takes.
        parameters: All of them, every expert counted.
        active: Those that one token is multiplied with.
        context: Tokens.
        licence: An SPDX identifier, or the licence's name.
        commercial: Whether it may be used for business; `conditions` says under which.
        gated: Whether the hub asks for an account's consent first.
        languages: That it was made for, ISO 639-1.
        tools: Whether its template writes down the tools that are offered.
        thinking: `none`, `always`, or `switch` where template or prompt turns it on and off.
        system_role: Whether its template knows a system message.
        traps: What its template does that surprises.
        good_for: What it is good for, of its size.
        config: The sizes of its `config.json`, by its own names.
        unsure: Fields that are doubtful.
    """

    id: str
    parameters: int
    active: int
    context: int
    licence: str
    commercial: Use
    gated: bool
    languages: tuple[str, ...]
    tools: bool
    thinking: Literal["none", "always", "switch"]
    system_role: bool
    date: str
    source: str
    config: Mapping[str, object] = field(repr=False)
    conditions: str = ""
    languages_note: str = ""
    traps: str = ""
    good_for: str = ""
    vision: bool = False
    unsure: tuple[str, ...] = ()

    @property
    def free(self) -> bool:
        """Whether anybody may use it for anything, without asking first."""
        return self.commercial == "yes" and not self.gated


@cache
def open_bases() -> Mapping[str, OpenBase]:
    """The bases by their id, the smallest first."""
    found: list[OpenBase] = []
    for name, facts in load_facts("bases").items():
        lists: JsonObject = {key: tuple(value) for key, value in facts.items() if isinstance(value, list)}
        found.append(OpenBase(id=name, **{**facts, **lists}))
    return {base.id: base for base in sorted(found, key=lambda base: base.parameters)}


def open_base(name: str) -> OpenBase:
    """The base of this id, or the only one whose id contains the name.

    Raises:
        UsageError: there is none, or there are several.
    """
    known = open_bases()
    by_case = {key.lower(): base for key, base in known.items()}
    if name.lower() in by_case:
        return by_case[name.lower()]
    alike = [base for key, base in by_case.items() if name.lower() in key]
    if len(alike) == 1:
        return alike[0]
    near = [base.id for base in alike] or difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    raise UsageError(
        f"The list of open bases has {'several' if alike else 'no'} {name!r}.",
        f"Did you mean {', '.join(near)}?" if near else "`postgrad bases` lists them; --base takes others too.",
    )
