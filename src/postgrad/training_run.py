"""A run is one training: its states, its steps, its folder, and the control file that pauses or cancels it.

The folder is the truth: `run.json` (settings and state), `steps.jsonl` (one line a step), `control` (a word that
somebody else writes), `checkpoints/`. A terminal, a server and a studio read the same files.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from postgrad.json_types import JsonObject
from postgrad.storage import write_atomic

RunState = Literal["queued", "running", "paused", "interrupted", "cancelled", "failed", "succeeded"]
FINAL_STATES: frozenset[RunState] = frozenset({"cancelled", "failed", "succeeded"})
Command = Literal["pause", "cancel"]


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step.

    Attributes:
        step: 1-based.
        total: Planned number of steps.
        loss: Mean nats per supervised token of this global batch.
        tokens: Tokens processed in this step, without padding.
        supervised_tokens: Tokens with a weight above zero in this step.
        seconds: Time that this step took.
        learning_rate: As used in this step.
        gradient_norm: Before clipping.
        validation_loss: Set when validation was measured after this step.
        best: True when that validation was the best so far.
        metrics: What the objective adds.
    """

    step: int
    total: int
    loss: float
    tokens: int
    supervised_tokens: int
    seconds: float
    learning_rate: float
    gradient_norm: float
    validation_loss: float | None = None
    best: bool = False
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def snapshots(self) -> Path:
        """Trained weights after passes over the data, one folder `step-000120` each."""
        return self.path / "snapshots"

    @property
    def teacher(self) -> Path:
        """What a teacher said of the answers that are learned, while the training is under way."""
        return self.path / "teacher"

    def forget_teacher(self) -> None:
        """Removes what it said."""
        shutil.rmtree(self.teacher, ignore_errors=True)

    def write_state(self, state: RunState, **extra: object) -> None:
        current = self.read_state()
        current.update({"state": state, **extra})
        write_atomic(self.path / "run.json", json.dumps(current, indent=1, default=str))

    def read_state(self) -> JsonObject:
        try:
            return json.loads((self.path / "run.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}

    def clear(self) -> None:
        """Removes what a run wrote, and nothing else that may lie in the folder."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        shutil.rmtree(self.snapshots, ignore_errors=True)
        self.forget_teacher()
        for name in ("run.json", "steps.jsonl", "control", "reference.jsonl"):
            (self.path / name).unlink(missing_ok=True)

    def append_step(self, step: Step) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "steps.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(step)) + "\n")

    def read_steps(self) -> list[Step]:
        """The steps so far; after a resume a step may stand twice, the later one counts; a torn last line is left
        out."""
        path = self.path / "steps.jsonl"
        if not path.exists():
            return []
        steps: dict[int, Step] = {}
        for line in path.read_text("utf-8").splitlines():
            try:
                step = Step(**json.loads(line))
            except json.JSONDecodeError:
                continue
            steps = {n: s for n, s in steps.items() if n < step.step}
            steps[step.step] = step
        return [steps[n] for n in sorted(steps)]

    def command(self) -> Command | None:
        """What the control file asks for; anything else in it is ignored."""
        try:
            word = (self.path / "control").read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        return word if word in ("pause", "cancel") else None  # pyright: ignore[reportReturnType]

    def send(self, command: Command) -> None:
        write_atomic(self.path / "control", command)

    def clear_command(self) -> None:
        (self.path / "control").unlink(missing_ok=True)
