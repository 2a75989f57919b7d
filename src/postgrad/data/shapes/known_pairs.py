"""The known shapes that compare or rate answers."""

from __future__ import annotations

from collections.abc import Callable

from postgrad.data.shapes.read_chats import About, RowValues, is_turns, read_alpaca, read_chat, read_sharegpt
from postgrad.data.shapes.read_pairs import (
    PROMPT_COLUMNS,
    has_votes,
    is_verdict,
    prompt_columns,
    rated_completion,
    rating,
    read_chosen_messages,
    read_implicit,
    read_openai_preference,
    read_preference,
    read_votes,
)
from postgrad.data.shapes.shape import ALPACA, BESIDE, Shape, filled
from postgrad.records import Preference, Rating, Record

_PAIR = ("chosen", "rejected", "instruction", "history", "messages", "conversations", *PROMPT_COLUMNS, *BESIDE)
_RATING_SAID = "each row is an answer rated good or bad"
_PAIR_SAID = "each row is a request with a better and a worse answer"


def _is_openai_preference(values: RowValues) -> bool:
    given = values.get("input")
    return isinstance(given, dict) and "messages" in given


def _rated(key: str, turns: str) -> Callable[[RowValues], bool]:
    return lambda values: is_verdict(values.get(key)) and (not turns or is_turns(values.get(turns)))


def _is_stepwise(values: RowValues) -> bool:
    return isinstance(values["completions"], list) and isinstance(values["labels"], list)


def _unreadable(values: RowValues, about: About) -> list[Record]:
    raise NotImplementedError("a shape without a kind is refused before it is read")


def _chosen_alone(values: RowValues) -> bool:
    return values.get("chosen") is not None and values.get("rejected") is not None


PAIRS: tuple[Shape, ...] = (
    *(
        Shape(
            "OpenAI preference",
            Preference,
            f"{_PAIR_SAID}: 'input', '{better}', '{worse}'.",
            ("input", better, worse),
            ("input", better, worse, "tools"),
            _is_openai_preference,
            read_openai_preference,
        )
        for better, worse in (
            ("preferred_output", "non_preferred_output"),
            ("preferred_completion", "non_preferred_completion"),
        )
    ),
    Shape(
        "preference conversations",
        Preference,
        f"{_PAIR_SAID}: the ends of 'chosen_messages' and 'rejected_messages'; what they share is the request.",
        ("chosen_messages", "rejected_messages"),
        ("chosen_messages", "rejected_messages", *BESIDE),
        filled("chosen_messages", "rejected_messages"),
        read_chosen_messages,
    ),
    Shape(
        "preference",
        Preference,
        f"{_PAIR_SAID}, 'chosen' and 'rejected'.",
        ("chosen", "rejected"),
        _PAIR,
        lambda values: _chosen_alone(values) and prompt_columns(values),
        read_preference,
    ),
    Shape(
        "preference with implicit prompt",
        Preference,
        f"{_PAIR_SAID}: what 'chosen' and 'rejected' share at their beginning is the request, the rest are the"
        " answers.",
        ("chosen", "rejected"),
        _PAIR,
        _chosen_alone,
        read_implicit,
    ),
    Shape(
        "votes on two answers",
        Preference,
        f"{_PAIR_SAID}: 'response1' or 'response2', by majority.",
        ("response1", "response2"),
        ("response1", "response2", "instruction", "history", *PROMPT_COLUMNS, *BESIDE),
        has_votes,
        read_votes,
    ),
    Shape(
        "stepwise supervision",
        None,
        "Each row rates every step of an answer ('completions' with 'labels'). postgrad rates whole answers,"
        " and no objective trains on single steps.",
        ("completions", "labels"),
        (),
        _is_stepwise,
        _unreadable,
    ),
    *(
        Shape(
            name,
            Rating,
            f"{_RATING_SAID} ('{key}').",
            (turns, key),
            (*uses, key),
            _rated(key, "" if turns == "output" else turns),
            rating(key, read),
        )
        for key in ("kto_tag", "label")
        for name, turns, uses, read in (
            ("KTO", "messages", ("messages", *BESIDE), read_chat),
            ("KTO, ShareGPT", "conversations", ("conversations", *BESIDE), read_sharegpt),
            ("KTO, Alpaca", "output", ALPACA, read_alpaca),
        )
        if not (key == "label" and turns == "output")
    ),
    Shape(
        "unpaired preference",
        Rating,
        f"{_RATING_SAID}: 'prompt', 'completion', 'label'.",
        ("prompt", "completion", "label"),
        ("prompt", "completion", "label", *BESIDE),
        _rated("label", ""),
        rated_completion,
    ),
)
