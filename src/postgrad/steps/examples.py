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
from postgrad.records import Record
from postgrad.similarity.near_duplicates import near_duplicate_clusters


@dataclass(frozen=True)
class Examples:
    """Who trains, who chooses, who tests.

    Attributes:
        test: What the arms are measured on.
        groups: What each test record belongs to, None for one that stands alone; None where all do. See `groups_of`.
    """

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    groups: tuple[Hashable, ...] | None = None

    @classmethod
    def of(
        cls, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record], group: str | None = None
    ) -> Examples:
        """With the groups of the test records: by the metadata `group`, else near-duplicates."""
        return cls(tuple(train), tuple(validation), tuple(test), groups_of(test, group))

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

    def at(self, places: Sequence[int]) -> Examples:
        """The same with these test records alone."""
        groups = None if self.groups is None else tuple(self.groups[i] for i in places)
        return replace(self, test=tuple(self.test[i] for i in places), groups=groups)


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
    """

    choice: MetricChoice
    instruction: str
    own_instruction: bool
    named: bool = True

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
