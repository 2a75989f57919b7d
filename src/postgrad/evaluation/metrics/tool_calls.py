"""Calls of tools: the right tools with the right arguments, compared by value; and no call where none is wanted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.evaluation.metrics.json_object import Same
from postgrad.evaluation.metrics.support.call_text import NamedCall, read_calls
from postgrad.evaluation.metrics.support.fields import calls_of, field
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult, lacking
from postgrad.evaluation.metrics.support.normal import plain
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.records import Conversation, Record, Task

TRUTH_FIELDS = ("ground_truth", "possible_answers", "expected_calls")
_SAME = Same()
_UNREADABLE = "call that cannot be read"


@dataclass(frozen=True, slots=True)
class WantedCall:
    """One wanted call.

    Attributes:
        name: Of the tool.
        arguments: By name; where `possible`, each a list of the values that are right ("" among them: may be left out),
            as in the Berkeley Function-Calling Leaderboard.
        possible: Whether `arguments` are such lists.
    """

    name: str
    arguments: JsonMapping
    possible: bool = False

    def fault(self, call: NamedCall, defaults: JsonMapping, *, ignore_case: bool) -> str:
        """What is wrong with a call; empty where it is this one. `defaults` of the tool may be given or left out."""
        if call.name != self.name:
            return "other tool"
        if self.possible:
            given = {k: v for k, v in call.arguments.items() if k in self.arguments or v != defaults.get(k, _SAME)}
            return _fault_possible(given, self.arguments, ignore_case)
        given, wanted = {**defaults, **call.arguments}, {**defaults, **self.arguments}
        if missing := wanted.keys() - given.keys():
            return f"argument left out: {min(missing)}"
        if invented := given.keys() - wanted.keys():
            return f"argument invented: {min(invented)}"
        wrong = [k for k in wanted if not _alike(given[k], wanted[k], ignore_case)]
        return f"wrong value: {wrong[0]}" if wrong else ""


def tool_calls(
    *, arguments: bool = True, ignore_order: bool = True, ignore_case: bool = True, field: str = ""
) -> Metric:
    """1 where the answer's calls are those of the reference: none left out, none invented, JSON arguments equal by
    value.

    Where the record has tools and its right answer is plain text, an answer without any call is right.

    Args:
        arguments: False: the names of the tools alone count.
        ignore_order: Calls may come in any order.
        ignore_case: Texts among the arguments may differ in case, space and marks at their ends.
        field: Field of the record with the wanted calls instead of its answer. Without it one of `TRUTH_FIELDS`.
    """

    def measure(cases: Sequence[Case]) -> MetricResult:
        faults: list[str] = []
        names: list[bool] = []
        for case in cases:
            wanted, given = wanted_calls(case, field) or [], read_calls(case.answer)
            names.append(given is not None and Counter(c.name for c in given) == Counter(w.name for w in wanted))
            faults.append(_judge(wanted, given, _defaults(case.record), arguments, ignore_order, ignore_case))
        counts = Counter(f for f in faults if f)
        details = {"faults": dict(counts.most_common(12))} if counts else {}
        figures = {"right_tools": sum(names) / max(1, len(names))}
        return MetricResult(tuple(float(not f) for f in faults), figures, details)

    def unfit(cases: Sequence[Case]) -> str:
        what = "records say which tools are to be called, or have tools and need none"
        return lacking(cases, what, lambda c: wanted_calls(c, field) is not None, 0.95)

    return Metric("tool_calls", measure, title="right tool calls", right_or_wrong=True, unfit=unfit)


def wanted_calls(case: Case, name: str = "") -> list[WantedCall] | None:
    """The calls that are right for a case, none where a plain answer is; None where nothing says so."""
    truth = field(case.record, name or TRUTH_FIELDS)
    truth = _list(truth) if isinstance(truth, str) else truth
    if isinstance(truth, list):
        return _from_truth(truth)
    reference = case.reference.strip()
    if reference.startswith("[") and isinstance(value := _list(reference), list) and value and _possible(value):
        return _from_truth(value)
    calls = read_calls(reference)
    if calls:
        return [WantedCall(c.name, c.arguments) for c in calls]
    has_tools = isinstance(case.record, Conversation | Task) and bool(
        case.record.tools or field(case.record, "function")
    )
    return [] if calls == [] and has_tools and not calls_of(case.record) else None


def _list(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _possible(value: Sequence[Any]) -> bool:
    """Whether these are calls as `{"name": {"argument": [possible values]}}`."""
    inner = [next(iter(v.values())) for v in value if isinstance(v, dict) and len(v) == 1]
    return len(inner) == len(value) and all(
        isinstance(i, dict) and all(isinstance(o, list) for o in i.values()) for i in inner
    )


def _from_truth(value: list[Any]) -> list[WantedCall] | None:
    if _possible(value):
        return [WantedCall(name, inner, possible=True) for v in value for name, inner in v.items()]
    calls = read_calls(json.dumps(value)) if value else []
    return None if calls is None else [WantedCall(c.name, c.arguments) for c in calls]


def _judge(
    wanted: Sequence[WantedCall],
    given: Sequence[NamedCall] | None,
    defaults: Mapping[str, JsonMapping],
    arguments: bool,
    ignore_order: bool,
    ignore_case: bool,
) -> str:
    """What is wrong; empty where nothing is."""
    if given is None:
        return _UNREADABLE
    if not wanted or not given:
        return "call where none is wanted" if given else "no call" if wanted else ""
    if len(wanted) != len(given):
        return "too few calls" if len(given) < len(wanted) else "too many calls"

    def fault(w: WantedCall, c: NamedCall) -> str:
        if not arguments:
            return "" if w.name == c.name else "other tool"
        return w.fault(c, defaults.get(w.name, {}), ignore_case=ignore_case)

    table = [[fault(w, c) for c in given] for w in wanted]
    in_order = [table[i][i] for i in range(len(wanted))]
    first = next((f for f in in_order if f), "")
    if first and _matched(table):
        return "" if ignore_order else "other order"
    return first


def _matched(table: Sequence[Sequence[str]]) -> bool:
    """Whether each wanted call finds a given one of its own (augmenting paths)."""
    owner: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, fault in enumerate(table[row]):
            if fault or column in seen:
                continue
            seen.add(column)
            if column not in owner or place(owner[column], seen):
                owner[column] = row
                return True
        return False

    return all(place(row, set()) for row in range(len(table)))


def _defaults(record: Record | None) -> dict[str, JsonObject]:
    """Default values of arguments by tool, from the tools' JSON schemas."""
    out: dict[str, JsonObject] = {}
    for tool in record.tools if isinstance(record, Conversation | Task) else ():
        inner = tool.get("function") if isinstance(tool.get("function"), Mapping) else tool
        parameters = inner.get("parameters") if isinstance(inner, Mapping) else None
        properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
        if isinstance(inner, Mapping) and isinstance(properties, Mapping):
            given = {k: p["default"] for k, p in properties.items() if isinstance(p, Mapping) and "default" in p}
            out[str(inner.get("name", ""))] = given
    return out


def _fault_possible(given: JsonMapping, possible: JsonMapping, ignore_case: bool) -> str:
    for key, options in possible.items():
        if key not in given:
            if "" not in options:
                return f"argument left out: {key}"
        elif not any(_fits(given[key], option, ignore_case) for option in options):
            return f"wrong value: {key}"
    invented = given.keys() - possible.keys()
    return f"argument invented: {min(invented)}" if invented else ""


def _fits(value: Any, option: Any, ignore_case: bool) -> bool:
    """Whether a value is one of the possible ones; inside of objects the possible values are lists again."""
    if isinstance(value, dict) and isinstance(option, dict):
        if option and all(isinstance(o, list) for o in option.values()):
            return not _fault_possible(value, option, ignore_case)
        return _alike(value, option, ignore_case)
    if isinstance(value, list | tuple) and isinstance(option, list):
        return len(value) == len(option) and all(_fits(v, o, ignore_case) for v, o in zip(value, option, strict=True))
    return _alike(value, option, ignore_case)


def _alike(left: Any, right: Any, ignore_case: bool) -> bool:
    return _SAME(_folded(left), _folded(right)) if ignore_case else _SAME(left, right)


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_folded(v) for v in value]
    return {k: _folded(v) for k, v in value.items()} if isinstance(value, dict) else value
