"""What a run knows of the user's examples, in pieces: the examples themselves, the task that they show, the documents
beside them, and what the report says of how they were read. Each step takes the pieces that it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from postgrad.data.load import LoadedRecords
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.retrieval import Passage, Retriever
from postgrad.findings import Checked
from postgrad.records import Conversation, Record, content_hash, is_raw, turns_of
from postgrad.similarity.near_duplicates import near_duplicate_clusters

MOST_TURNS = 4
"""Turns of a conversation that are examined, on average."""


@dataclass(frozen=True)
class Examples:
    """Who trains, who chooses, who tests.

    Attributes:
        test: What the arms are measured on: of a conversation each turn of the assistant, as a question of its own.
        groups: What each test record belongs to, None for one that stands alone; None where all do. See `groups_of`.
        turns: How the test part's conversations were cut into turns; None where each has one.
        material: What is trained on, where that is no request with its right answer.
    """

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    groups: tuple[Hashable, ...] | None = None
    turns: Turns | None = None
    material: Material | None = None

    @classmethod
    def of(
        cls,
        train: Sequence[Record],
        validation: Sequence[Record],
        test: Sequence[Record],
        group: str | None = None,
        room: int = 1000,
    ) -> Examples:
        """With conversations of the test part cut into their turns, and the groups of these.

        Args:
            group: Metadata that says what belongs together; None: near-duplicates do. Turns always do.
            room: Test examples that there is time to measure; each conversation's last turn is examined in any case.
        """
        groups = groups_of(test, group)
        taken, turns = _examined(test, room)
        if turns is None:
            return cls(tuple(train), tuple(validation), tuple(test), groups)
        several = Counter(place for place, _ in taken)
        own = [
            groups[place] if groups and groups[place] is not None else f"conversation {place + 1}" if many > 1 else None
            for place, many in sorted(several.items())
        ]
        belongs = tuple(own[place] for place, _ in taken)
        return cls(tuple(train), tuple(validation), tuple(turn for _, turn in taken), belongs, turns)

    @property
    def units(self) -> int:
        """How many independent units the test records form: groups, and records that stand alone."""
        return sum(self._sizes.values())

    @property
    def largest_unit(self) -> int:
        """How many test records the largest unit has."""
        return max(self._sizes, default=0)

    @property
    def _sizes(self) -> Counter[int]:
        """How many units there are of each size."""
        groups = self.groups or (None,) * len(self.test)
        together = Counter(g for g in groups if g is not None)
        return Counter([*together.values(), *(1 for g in groups if g is None)])

    @property
    def known(self) -> tuple[Record, ...]:
        """What may be looked at before the test: training and validation."""
        return (*self.train, *self.validation)

    @property
    def raw(self) -> bool:
        """Whether they are passages of raw text, which nobody asks about."""
        first = next(iter(self.train or self.test), None)  # of the test part only where there is no other
        return isinstance(first, Conversation) and is_raw(first.prompt)

    def learning(self, material: Material) -> Examples:
        """The same, trained on other records than those that are shown."""
        return replace(self, material=material)

    def at(self, places: Sequence[int]) -> Examples:
        """The same with these test records alone."""
        groups = None if self.groups is None else tuple(self.groups[i] for i in places)
        return replace(self, test=tuple(self.test[i] for i in places), groups=groups, turns=None)


@dataclass(frozen=True)
class Material:
    """Records in the shape that an objective learns from; `Examples` hold them as questions."""

    train: tuple[Record, ...]
    validation: tuple[Record, ...]


@dataclass(frozen=True)
class Turns:
    """How conversations became test examples.

    Attributes:
        conversations: Of the test part.
        examined: Turns that are test examples.
        found: Turns that could be.
    """

    conversations: int
    examined: int
    found: int

    @property
    def sentence(self) -> str:
        """Both counts, and what was left out."""
        said = f"The {self.examined:,} test examples are turns of {self.conversations:,} conversations"
        if self.examined == self.found:
            return f"{said}: every answer of the assistant is examined, after the turns before it."
        return (
            f"{said}, of {self.found:,} in all: the last of each and others by content hash, as many as there is time"
            f" for, and {MOST_TURNS} a conversation on average."
        )


def _examined(test: Sequence[Record], room: int) -> tuple[list[tuple[int, Record]], Turns | None]:
    """(place of the conversation, turn) of what is examined; None where no record has several turns.

    A turn that another conversation has too, word for word, is examined once.
    """
    cut = [turns_of(r) for r in test]
    found = sum(map(len, cut))
    if found == len(test):
        return [], None
    limit = max(len(test), min(room, MOST_TURNS * len(test)))
    most = max(len(turns) for turns in cut)
    while most > 1 and sum(min(len(turns), most) for turns in cut) > limit:
        most -= 1
    taken: list[tuple[int, Record]] = []
    seen = {content_hash(turns[-1]) for turns in cut}
    for place, turns in enumerate(cut):
        chosen = sorted(range(len(turns) - 1), key=lambda i, of=turns: content_hash(of[i]))[: most - 1]
        for i in sorted(chosen):
            if (digest := content_hash(turns[i])) not in seen:
                seen.add(digest)
                taken.append((place, turns[i]))
        taken.append((place, turns[-1]))
    return taken, Turns(len(test), len(taken), found)


def groups_of(records: Sequence[Record], key: str | None) -> tuple[Hashable, ...] | None:
    """What each record belongs to: the value of its metadata `key`, or without a key the cluster of near-duplicates
    that it stands in, as the split keeps them together. None for a record that stands alone, and where all do."""
    if key:
        return tuple(None if (value := r.meta.get(key)) == "" else value for r in records)
    clusters = near_duplicate_clusters([r.prompt_text for r in records])
    names = {place: f"near-duplicates {n}" for n, cluster in enumerate(clusters, 1) for place in cluster}
    return tuple(names.get(place) for place in range(len(records))) if names else None


@dataclass(frozen=True)
class TaskSpec:
    """What is to be done, and by what it is judged.

    Attributes:
        choice: The metrics.
        instruction: Of the prompted arms; empty where there is none.
        own_instruction: Whether the instruction is the user's (then it is trained with) or was written by rule.
        named: Whether the rivals can know what to do: the instruction says it, or the examples do.
        sentence: What is to be done, where somebody said it.
        written_by: Who did; empty where the kind of answers says it.
    """

    choice: MetricChoice
    instruction: str
    own_instruction: bool
    named: bool = True
    sentence: str = ""
    written_by: str = ""

    @property
    def trained_instruction(self) -> str | None:
        """The instruction that the model is trained with; one that was written by rule is left for it to learn."""
        return self.instruction if self.own_instruction else None


@dataclass(frozen=True)
class Grounding:
    """The user's documents: their passages, and how those for a request are found."""

    passages: tuple[Passage, ...]
    retrieve: Retriever


@dataclass(frozen=True)
class DataSummary:
    """How the examples were read, for the report.

    Attributes:
        name: Of the first file, without ending.
        checked: What the checks found; None where nothing was checked.
        hash: Of all examples.
        token_histogram: (upper edge, records); empty where nothing was counted.
    """

    name: str
    loaded: LoadedRecords
    checked: Checked | None
    hash: str
    token_histogram: tuple[tuple[int, int], ...] = ()
