"""Records that cannot be learned from, or teach what nobody meant: no answer, wrong order of turns, broken tool
calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.checks.support.tool_faults import tool_faults
from postgrad.findings import Check, Context, Finding, Repair, Severity, check_factory
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text

# fault → (severity, sentence, how it is mended: dropped unasked, dropped when asked for, or not)
_FAULTS: dict[str, tuple[Severity, str, bool | None]] = {
    "no_answer": ("warning", "{count} {have} no assistant message, so there is no answer to learn.", True),
    "empty_answer": ("warning", "{count} {have} an empty answer.", True),
    "empty_prompt": ("warning", "{count} {have} an answer but no request.", True),
    "nothing_learned": ("warning", "In {count} every assistant message has weight 0, so nothing is learned.", True),
    "equal_preference": ("warning", "In {count} the chosen and the rejected answer are the same.", True),
    "no_rejected": ("warning", "{count} {have} no rejected answer to compare with.", True),
    "wrong_order": ("warning", "In {count} the turns are in the wrong order.", False),
    "empty_turn": ("warning", "{count} {have} an empty message in the middle.", False),
    "unknown_keys": ("warning", "{count} {have} a key that looks like a misspelt one.", None),
    "unknown_tool": ("warning", "{count} {call} a tool that is not among the tools given.", False),
    "bad_arguments": (
        "warning",
        "{count} {call} a tool with arguments that are not valid JSON or do not match it.",
        False,
    ),
    "call_without_result": ("warning", "In {count} a tool call has no result.", False),
    "result_without_call": ("warning", "{count} {have} a tool result without a call.", False),
    "images": ("info", "{count} {have} images or sound besides text; a text model sees the text only.", None),
}
_TYPOS = re.compile(
    r"(?i)^(?:mesages?|messsages?|messeges?|massages|mesagges|messages?_?list|conversatons?|convesations?|conversions"
    r"|rol|roles|rolle|roel|contents|contnet|conent|cotent|contet|contant|promt|prompts|propmt|pormpt|complet?ions?"
    r"|compeltion|respones|reponse|repsonse|anwser|asnwer|awnser|answr|choosen|chosn|rejcted|rejectd|reject)$"
)
_COMMON_SHARE = 0.5
"""A key in at least this share of the records is a column of its own, not a slip."""


@check_factory(
    harm=96,
    advice="Correct or remove these records: the model would learn nothing from them, or the wrong thing.",
)
def structure() -> Check:
    """Finds records without an answer or prompt, turns out of order, misspelt keys and broken tool calls.

    Records from which nothing can be learned are dropped. It is an error only if no usable record remains.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        found: dict[str, dict[int, str]] = {}
        unusable = 0
        common = _common_keys(records)
        for index, record in enumerate(records):
            fault = fault_of(record)
            unusable += bool(fault)
            if fault:
                found.setdefault(fault, {})[index] = ""
            for name, evidence in _further(record, fault, common):
                found.setdefault(name, {}).setdefault(index, evidence)
        for name in _FAULTS:
            if name in found:
                yield _finding(name, found[name], records, unusable == len(records))

    return check


def _finding(name: str, found: dict[int, str], records: Sequence[Record], nothing_left: bool) -> Finding:
    severity, sentence, drop = _FAULTS[name]
    indices = tuple(found)
    many = len(indices)
    text = sentence.format(
        count=count_of(many, "record"), have=verb(many, "has", "have"), call=verb(many, "calls", "call")
    )
    final = nothing_left and drop is True
    return Finding(
        check="structure",
        severity="error" if final else severity,
        sentence=f"{text} No usable record remains." if final else text,
        indices=indices,
        evidence=reasons(indices, lambda i: found[i] or quote(records[i].prompt_text or records[i].answer_text)),
        repairs=() if drop is None else tuple(Repair(i, "drop", safe=drop) for i in indices),
        details={"fault": name, "count": many},
    )


def fault_of(record: Record) -> str:
    """Why nothing can be learned from a record, or the empty string. A call of a tool counts as an answer."""
    if isinstance(record, Text | Task):
        return (
            ""
            if not _blank(record.prompt_text) or (isinstance(record, Task) and _has_parts(record.prompt))
            else "empty_prompt"
        )
    if isinstance(record, Conversation):
        answer = record.answer
        if answer is None:
            return "no_answer"
        if _blank(answer.content) and not answer.tool_calls and not answer.parts:
            return "empty_answer"
        if all(m.weight == 0 for m in record.messages if m.role == "assistant"):
            return "nothing_learned"
        asked: tuple[Message, ...] = record.messages[:-1]
    elif isinstance(record, Preference):
        if _nothing_said(record.chosen):
            return "empty_answer"
        if _nothing_said(record.rejected):
            return "no_rejected"
        if record.chosen == record.rejected:
            return "equal_preference"
        asked = record.prompt
    elif isinstance(record, Rating):
        if _nothing_said(record.completion):
            return "empty_answer"
        asked = record.prompt
    else:
        return ""
    if any(m.role != "system" and (m.parts or not _blank(m.content)) for m in asked):
        return ""
    return "empty_prompt"


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _has_parts(messages: Sequence[Message]) -> bool:
    return any(m.parts for m in messages)


def _nothing_said(messages: Sequence[Message]) -> bool:
    return all(_blank(m.content) and not m.tool_calls and not m.parts for m in messages)


def _further(record: Record, fault: str, common: frozenset[str]) -> Iterator[tuple[str, str]]:
    """What is wrong besides, in a record that has an answer."""
    if record.meta:
        odd = [key for key in record.meta if key not in common and _TYPOS.match(key)]
        if odd:
            yield "unknown_keys", f"key {odd[0]!r}"
    messages = messages_of(record)
    if any(part.get("type") not in (None, "text") for m in messages if m.parts for part in m.parts):
        yield "images", "parts: " + ", ".join(sorted({str(p.get("type")) for m in messages for p in m.parts}))
    if fault or not messages:
        return
    if [m.role for m in messages] != ["user", "assistant"]:
        if wrong := _order_fault(messages, isinstance(record, Conversation)):
            yield "wrong_order", wrong
        empty = [k for k, m in enumerate(messages[:-1], 1) if _blank(m.content) and not m.tool_calls and not m.parts]
        empty = [k for k in empty if messages[k - 1].role in ("user", "assistant")]
        if empty:
            yield "empty_turn", f"message {empty[0]} ({messages[empty[0] - 1].role}) is empty"
    if any(m.role == "tool" or m.tool_calls for m in messages):
        yield from tool_faults(messages, getattr(record, "tools", ()))


def messages_of(record: Record) -> tuple[Message, ...]:
    """The conversation that is learned, as one: of a preference the chosen one."""
    if isinstance(record, Conversation):
        return record.messages
    if isinstance(record, Preference):
        return (*record.prompt, *record.chosen)
    if isinstance(record, Rating):
        return (*record.prompt, *record.completion)
    return record.prompt if isinstance(record, Task) else ()


def _order_fault(messages: Sequence[Message], whole: bool) -> str:
    """Where the order of the turns is broken, or the empty string. An assistant may speak again after its own tool
    call."""
    before = ""
    for place, message in enumerate(messages, start=1):
        role = message.role
        if role == "system":
            if before not in ("", "system"):
                return f"message {place} is the system's, after the {before}'s"
        elif role == "assistant":
            if before in ("", "system") and whole:
                return "the assistant speaks first"
            if before == "assistant" and not messages[place - 2].tool_calls:
                return f"messages {place - 1} and {place} are both the assistant's"
        elif role == "user" and before == "user":
            return f"messages {place - 1} and {place} are both the user's"
        before = role
    return ""


def _common_keys(records: Sequence[Record]) -> frozenset[str]:
    """Keys of `meta` that so many records have that they are columns."""
    counts: dict[str, int] = {}
    for record in records:
        for key in record.meta:
            counts[key] = counts.get(key, 0) + 1
    return frozenset(k for k, n in counts.items() if n >= _COMMON_SHARE * len(records) and len(records) > 1)
