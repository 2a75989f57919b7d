"""Control tokens in what people wrote: `<|im_end|>` in a user's message is text, and ends nobody's turn.

A tokenizer makes its control token of every place where the token's text stands, whoever wrote it: a user could close
the own turn and open the system's. So such places in messages are hidden from the template and the tokenizer's search
for special tokens, and become the ids of their characters instead. Control tokens are those that the chat template
writes itself or that begin or end a text: other special tokens (those of a task, say) stay what they are. What the
assistant has written is left alone: there a token may have been put on purpose.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from postgrad.records import Message, ToolDefinition

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_HIDDEN = re.compile("\ue002(\\d+)\ue003")
"""A place that is hidden from the template: private-use characters, which no real text has."""
Span = tuple[int, int]


@dataclass(frozen=True)
class Hidden:
    """Messages whose control tokens are hidden.

    Attributes:
        texts: The texts of the control tokens that were found; a place names its own by number.
    """

    messages: Sequence[Message]
    tools: Sequence[ToolDefinition]
    texts: tuple[str, ...] = ()

    def shown(self, text: str, spans: Sequence[Span] = ()) -> tuple[str, list[Span], list[Span]]:
        """The rendered text with the tokens' texts again, the spans in it, and where these texts stand."""
        parts: list[str] = []
        moved: list[tuple[int, int]] = []  # (place in `text` after a hidden one, how far what follows has moved)
        places: list[Span] = []
        end = length = 0
        for found in _HIDDEN.finditer(text):
            own = self.texts[int(found[1])]
            parts += [text[end : found.start()], own]
            length += found.start() - end
            places.append((length, length + len(own)))
            length, end = length + len(own), found.end()
            moved.append((end, length - end))

        def now(place: int) -> int:
            return place + next((by for after, by in reversed(moved) if after <= place), 0)

        return "".join([*parts, text[end:]]), [(now(a), now(b)) for a, b in spans], places


class ControlText:
    """The control tokens of one tokenizer and template.

    Args:
        tokenizer: Of the model.
        tokens: Text and id of each control token.
    """

    def __init__(self, tokenizer: Tokenizer, tokens: dict[str, int]) -> None:
        self._tokenizer, self._ids = tokenizer, frozenset(tokens.values())
        longest_first = sorted(tokens, key=len, reverse=True)
        self._texts = re.compile("|".join(map(re.escape, longest_first))) if tokens else None
        self._names = longest_first
        self._known: dict[str, list[int]] = {}

    def hidden(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Hidden:
        """The messages as they are, or with each control token in them hidden."""
        if self._texts is None:
            return Hidden(messages, tools)
        offered = json.dumps(tools, ensure_ascii=False) if tools else ""
        theirs = [m for m in messages if m.role != "assistant"]
        if not self._texts.search(offered) and not any(self._texts.search(m.content) for m in theirs):
            return Hidden(messages, tools)
        return Hidden(
            [m if m.role == "assistant" else replace(m, content=self._without(m.content)) for m in messages],
            json.loads(self._without(offered)) if offered else tools,
            tuple(self._names),
        )

    def _without(self, text: str) -> str:
        assert self._texts is not None
        return self._texts.sub(lambda found: f"\ue002{self._names.index(found[0])}\ue003", text)

    def ids(self, text: str, encoding: Encoding, places: Sequence[Span]) -> tuple[list[int], list[Span]]:
        """Ids and offsets of the text, with the characters' ids for the control tokens at these places."""
        ids: list[int] = []
        offsets: list[Span] = []
        for token, (a, b) in zip(encoding.ids, encoding.offsets, strict=True):
            theirs = token in self._ids and any(a < end and b > begin for begin, end in places)
            own = self._plain(text[a:b]) if theirs else [token]
            ids += own
            offsets += [(a, b)] * len(own)
        return ids, offsets

    @functools.cached_property
    def _blind(self) -> Tokenizer:
        """A copy of the tokenizer that sees no special tokens in a text; the setting is the tokenizer's, which other
        threads use."""
        from tokenizers import Tokenizer

        copy = Tokenizer.from_str(self._tokenizer.to_str())
        copy.encode_special_tokens = True
        return copy

    def _plain(self, text: str) -> list[int]:
        """Ids of a token's text in the middle of others: what a tokenizer puts before the first word of all is left
        away."""
        if text not in self._known:
            after = self._blind.encode(f"x{text}", add_special_tokens=False)
            apart = all(b <= 1 or a >= 1 for a, b in after.offsets)
            found = [token for token, (a, _) in zip(after.ids, after.offsets, strict=True) if a >= 1]
            self._known[text] = found if apart else self._blind.encode(text, add_special_tokens=False).ids
        return self._known[text]
