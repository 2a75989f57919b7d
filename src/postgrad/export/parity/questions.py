"""What the gate asks: requests of the user's own test part, and a few of our own in other scripts, of several turns,
with tools, and long ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postgrad.json_types import JsonMapping, JsonObject
from postgrad.records import Message, ToolDefinition

_TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "Finds an order by its number.",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    },
}
_SENTENCE = "The parcel with the green lamp was sent to the wrong address again, and nobody knows why. "


@dataclass(frozen=True)
class Question:
    """A request as a client sends it: without the model's own instruction, ending where the answer begins.

    Attributes:
        kind: Why it is asked: `test`, `shortest`, `longest`, `scripts`, `turns`, `tools`, `long`, `odd`.
    """

    kind: str
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        return {
            "kind": self.kind,
            "messages": [m.to_dict() for m in self.messages],
            "tools": [dict(t) for t in self.tools],
        }

    @classmethod
    def from_dict(cls, raw: JsonMapping) -> Question:
        """From `to_dict`."""
        return cls(raw["kind"], tuple(Message.from_dict(m) for m in raw["messages"]), tuple(raw["tools"]))


def own_questions() -> list[Question]:
    """The house's own, the same for every model."""

    def asked(kind: str, *texts: str, tools: Sequence[Mapping[str, object]] = ()) -> Question:
        roles = ("user", "assistant")
        return Question(
            kind, tuple(Message(roles[i % 2], t) for i, t in enumerate(texts)), tuple(dict(t) for t in tools)
        )

    return [
        asked("scripts", "Wo ist meine Bestellung Nr. 7? Straße, größer, naïve, Übergröße."),
        asked("scripts", "我的订单在哪里？请告诉我。 注文はどこですか。 주문은 어디에 있나요?"),
        asked("scripts", "أين طلبي؟ שלום, где мой заказ? 🙂👩‍👩‍👧 ½ ≤ 3 €"),
        asked("turns", "Where is order 7?", "It was sent on Monday.", "And when will it be here?"),
        asked("tools", "Where is order FH-12345?", tools=[_TOOL]),
        asked("long", _SENTENCE * 12 + "What should I do?"),
        asked("odd", "  two  spaces\tand a tab\n\n\nthree line ends  "),
        asked("odd", '{"a": [1, 2.50, null], "b": "x\\n"} <b>&amp;</b> `code` 12345678901234567890'),
    ]
