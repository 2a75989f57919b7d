"""Rows that compare or rate answers: preference pairs in every spelling, votes of several annotators, ratings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from postgrad.data.shapes.chat_messages import read_messages
from postgrad.data.shapes.read_chats import (
    About,
    RowValues,
    alpaca_prompt,
    asked,
    is_turns,
    messages_under,
    said,
    system_text,
    tools_of,
    with_system,
)
from postgrad.data.shapes.row_errors import LeftOut, TurnError
from postgrad.records import Message, Preference, Rating, Record

PROMPT_COLUMNS = ("prompt", "question", "query", "input")
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_GOOD = {"true": True, "false": False, "1": True, "0": False, True: True, False: False}
_ANNOTATOR = re.compile(r"annotator_?\d+")


def read_openai_preference(values: RowValues, about: About) -> list[Record]:
    given = values["input"]
    meta = dict(about["meta"])
    if given.get("parallel_tool_calls") is not None:
        meta["parallel_tool_calls"] = given["parallel_tool_calls"]
    better = _first(values, "preferred_output", "preferred_completion")
    worse = _first(values, "non_preferred_output", "non_preferred_completion")
    return [
        Preference(
            prompt=messages_under("messages", given),
            chosen=said(better),
            rejected=said(worse),
            tools=tools_of(given) or tools_of(values),
            source=about["source"],
            meta=meta,
        )
    ]


def read_preference(values: RowValues, about: About) -> list[Record]:
    """A prompt under any of its names, with `chosen` and `rejected`."""
    better, worse = values["chosen"], values["rejected"]
    if _is_dialogue(better) and _is_dialogue(worse):
        return read_implicit(values, about)
    prompt = _prompt(values)
    return [Preference(prompt=prompt, chosen=said(better), rejected=said(worse), tools=tools_of(values), **about)]


def read_implicit(values: RowValues, about: About) -> list[Record]:
    """Two whole texts or conversations that begin alike: what they share is the prompt."""
    better, worse = values["chosen"], values["rejected"]
    if _is_dialogue(better) and _is_dialogue(worse):
        return [_split(_dialogue(better), _dialogue(worse), values, about)]
    if not isinstance(better, str) or not isinstance(worse, str):
        raise TurnError("chosen and rejected are neither two texts nor two lists of messages")
    at = shared_beginning(better, worse)
    if not better[:at].strip():
        raise TurnError("chosen and rejected do not begin alike, so there is no prompt; add a column prompt")
    prompt = with_system((Message("user", better[:at]),), system_text(values))
    chosen, rejected = (Message("assistant", better[at:]),), (Message("assistant", worse[at:]),)
    return [Preference(prompt=prompt, chosen=chosen, rejected=rejected, tools=tools_of(values), **about)]


def read_chosen_messages(values: RowValues, about: About) -> list[Record]:
    better, worse = read_messages(values["chosen_messages"]), read_messages(values["rejected_messages"])
    return [_split(better, worse, values, about)]


def read_votes(values: RowValues, about: About) -> list[Record]:
    """Two answers and annotators who name the better (1 or 2) or none (0): the majority decides."""
    votes = Counter(str(v).strip() for key, v in values.items() if _ANNOTATOR.fullmatch(key) and v not in (None, ""))
    if unknown := sorted(set(votes) - {"0", "1", "2"}):
        raise TurnError(f"an annotator gives {unknown[0]!r}; 1, 2 or 0 (a tie) is expected")
    winner, count = votes.most_common(1)[0] if votes else ("0", 0)
    if winner == "0" or list(votes.values()).count(count) > 1:
        raise LeftOut("the annotators are tied or disagree")
    answers = said(values["response1"]), said(values["response2"])
    chosen, rejected = answers if winner == "1" else answers[::-1]
    return [Preference(prompt=_prompt(values), chosen=chosen, rejected=rejected, tools=tools_of(values), **about)]


def has_votes(values: RowValues) -> bool:
    return any(_ANNOTATOR.fullmatch(key) for key in values)


def is_verdict(value: object) -> bool:
    """Whether a value says good or bad: true and false, 1 and 0, also as text."""
    return _verdict(value) is not None


def rating(key: str, read: Callable[[RowValues, About], list[Record]]) -> Callable[[RowValues, About], list[Record]]:
    """A reader of rated conversations: the verdict stands under `key`, the conversation is read by `read`."""

    def read_rating(values: RowValues, about: About) -> list[Record]:
        good = _verdict(values.get(key))
        if good is None:
            raise TurnError(f"{key} is {values.get(key)!r}, neither true nor false")
        record: Any = read(values, about)[0]
        messages: tuple[Message, ...] = record.messages
        if not messages or messages[-1].role != "assistant":
            raise TurnError("the conversation ends without an answer that could be rated")
        return [Rating(prompt=messages[:-1], completion=messages[-1:], good=good, tools=record.tools, **about)]

    return read_rating


def rated_completion(values: RowValues, about: About) -> list[Record]:
    """TRL's unpaired preference: prompt, completion, label."""
    good = _verdict(values.get("label"))
    if good is None:
        raise TurnError(f"label is {values.get('label')!r}, neither true nor false")
    prompt, completion = asked(values.get("prompt"), values), said(values.get("completion"))
    return [Rating(prompt=prompt, completion=completion, good=good, tools=tools_of(values), **about)]


def read_transcript(text: str) -> tuple[Message, ...]:
    r"""`\n\nHuman: … \n\nAssistant: …` (Anthropic's hh-rlhf) as messages.

    Raises:
        TurnError: The text does not begin with a speaker.
    """
    before, *rest = _SPEAKER.split(text if text.startswith("\n\n") else "\n\n" + text)
    if before.strip() or not rest:
        raise TurnError("the transcript does not begin with Human: or Assistant:")
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(Message("user" if who == "Human" else "assistant", words.strip()) for who, words in pairs)


def shared_beginning(one: str, other: str) -> int:
    """Where two texts part, at the end of a word."""
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    while at and not one[at - 1 : at].isspace():
        at -= 1
    return len(one[:at].rstrip())


def _is_transcript(value: object) -> bool:
    return isinstance(value, str) and value.lstrip("\n").startswith("Human:") and "\n\nAssistant:" in value


def _is_dialogue(value: object) -> bool:
    """Whether it is a whole conversation, from its first request on."""
    if _is_transcript(value):
        return True
    return isinstance(value, list) and is_turns(value) and any(_user(turn) for turn in value[:2])


def _user(turn: object) -> bool:
    return isinstance(turn, dict) and turn.get("role", turn.get("from")) in ("user", "human", "system")


def _dialogue(value: object) -> tuple[Message, ...]:
    return read_transcript(value) if isinstance(value, str) else read_messages(value)


def _split(better: Sequence[Message], worse: Sequence[Message], values: RowValues, about: About) -> Preference:
    """Two conversations into what they share and how each ends."""
    most = min(len(better), len(worse)) - 1
    at = next((i for i in range(most) if better[i] != worse[i]), most)
    if not at:
        raise TurnError("the chosen and the rejected conversation do not begin alike, so there is no prompt")
    if "user" in (better[at].role, worse[at].role):
        raise TurnError(
            f"the chosen and the rejected conversation answer different requests, {_begin(better[at])} and"
            f" {_begin(worse[at])}"
        )
    prompt = with_system(tuple(better[:at]), system_text(values))
    return Preference(
        prompt=prompt, chosen=tuple(better[at:]), rejected=tuple(worse[at:]), tools=tools_of(values), **about
    )


def _begin(message: Message) -> str:
    """A message, shortened, for an error."""
    line = " ".join(message.content.split())
    return repr(line if len(line) <= 40 else line[:39] + "…")


def _prompt(values: RowValues) -> tuple[Message, ...]:
    if values.get("conversations"):
        return messages_under("conversations", values)
    if values.get("messages"):
        return messages_under("messages", values)
    if values.get("instruction"):
        return alpaca_prompt(values)
    column = next((c for c in PROMPT_COLUMNS if values.get(c)), "prompt")
    prompt = values.get(column)
    if isinstance(prompt, str) and _is_transcript(prompt):
        messages = read_transcript(prompt)
        if messages[-1] == Message("assistant", ""):  # the place where the answer begins
            messages = messages[:-1]
        return with_system(messages, system_text(values))
    return asked(prompt, values)


def _first(values: RowValues, *keys: str) -> Any:
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _verdict(value: object) -> bool | None:
    if isinstance(value, str):
        value = value.strip().lower()
    return _GOOD.get(value) if isinstance(value, bool | int | str) else None


def prompt_columns(values: RowValues) -> bool:
    """Whether a row has a prompt beside its answers."""
    return any(values.get(c) for c in ("conversations", "messages", "instruction", *PROMPT_COLUMNS))
