"""What a run knows of the user's examples, in pieces: the examples themselves, the task that they show, the documents
beside them, and what the report says of how they were read. Each step takes the pieces that it needs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from postgrad.data.load import LoadedRecords
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.retrieval import Passage, Retriever
from postgrad.findings import Checked
from postgrad.records import Record


@dataclass(frozen=True)
class Examples:
    """Who trains, who chooses, who tests.

    Attributes:
        test: What the arms are measured on.
        groups: What each test record belongs to; None where no group is named.
    """

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    groups: tuple[Hashable, ...] | None = None

    @property
    def known(self) -> tuple[Record, ...]:
        """What may be looked at before the test: training and validation."""
        return (*self.train, *self.validation)

    def at(self, places: Sequence[int]) -> Examples:
        """The same with these test records alone."""
        groups = None if self.groups is None else tuple(self.groups[i] for i in places)
        return replace(self, test=tuple(self.test[i] for i in places), groups=groups)


def groups_of(records: Sequence[Record], key: str | None) -> tuple[Hashable, ...] | None:
    """What each record belongs to, by its metadata; None without a key."""
    return tuple(r.meta.get(key) for r in records) if key else None


@dataclass(frozen=True)
class TaskSpec:
    """What is to be done, and by what it is judged.

    Attributes:
        choice: The metrics.
        instruction: Of the prompted arms; empty where there is none.
        own_instruction: Whether the instruction is the user's (then it is trained with) or was written by rule.
    """

    choice: MetricChoice
    instruction: str
    own_instruction: bool

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
