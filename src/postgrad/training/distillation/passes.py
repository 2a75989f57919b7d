"""What the teacher makes of answers: its hidden states at their tokens, from which its head gives all its predictions.

Hidden states are a few hundredths of the size of the predictions, and nothing of those is left out: the head makes them
anew, a chunk at a time. States of answers that stay the same are computed once before the first step where they have
room, and kept in the run's folder row by row, so that a run killed meanwhile goes on with the same numbers to the bit.

A long instruction that all share is computed once a row (`Forward`), so rows are cut by what is not shared.

Shapes: N supervised positions of one answer, H hidden.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
from safetensors.torch import load_file, save

from postgrad.errors import Interrupted, TrainingError
from postgrad.models.generation.generate import shared_beginning
from postgrad.models.rendering.render import Rendered
from postgrad.progress import Progress, Said, Working
from postgrad.storage import sha256_json, write_atomic
from postgrad.training.distillation.cost import MOST_BYTES
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.forward import Forward, learned
from postgrad.training.objectives.base import Start


class TeacherPasses:
    """A teacher that reads.

    Args:
        start: Of the training; its model still has the weights that it starts from.
        teacher: Who teaches.

    Attributes:
        head: Hidden states to logits, as the teacher's own head does, whatever the training changes.
    """

    def __init__(self, start: Start, teacher: Teacher) -> None:
        self.start, self.teacher = start, teacher
        self.model = teacher.model or start.forward.model
        self.forward = start.forward if teacher.model is None else Forward(teacher.model)
        module = self.model.module.get_output_embeddings()
        kept = copy.deepcopy(module) if any(p.requires_grad for p in module.parameters()) else module
        self.head: Callable[[torch.Tensor], torch.Tensor] = lambda hidden: self.model.scaled(kept(hidden))

    def choose(self, shown: Sequence[Rendered]) -> Working[None]:
        """Takes the fastest way that computes another model right; the student's own is chosen already."""
        if self.teacher.model is not None and shown:
            self.teacher.model.module.requires_grad_(False)
            yield Said(f"The teacher {self.teacher.name}: {self.forward.choose(shown)}")

    def states(self, shown: Sequence[Rendered]) -> list[torch.Tensor]:
        """(N, H) hidden states before the supervised tokens of each, in the order given."""
        out: list[torch.Tensor | None] = [None] * len(shown)
        for row in self._rows(shown):
            for place, states in zip(row, self._read([shown[i] for i in row]), strict=True):
                out[place] = states
        return [s for s in out if s is not None]

    def once(self, shown: Sequence[Rendered]) -> Working[list[torch.Tensor] | None]:
        """The states of answers that stay the same; None where they would take too much room, to be computed in each
        step.

        Raises:
            Interrupted: somebody wants it to stop; what is computed is kept.
            TrainingError: they take too much room, and later steps could not ask the teacher.
        """
        size = sum(len(learned(s)) for s in shown) * self._bytes_of_a_token()
        if size > MOST_BYTES:
            if self.teacher.model is None and not self.start.attached.has_base:
                raise TrainingError(
                    f"What the teacher says of the answers takes {size / 1e9:.1f} GB, more than is kept, and full"
                    " fine-tuning overwrites the teacher.",
                    "Take method lora, fewer examples, or shorter answers.",
                )
            yield Said("What the teacher says of the answers takes too much room to be kept: it is asked in each step.")
            return None
        folder = self.start.folder.teacher
        key = sha256_json([self.start.identity, [list(s.ids) for s in shown]])
        self._open(key)
        rows, world, done = self._rows(shown), self.start.world, 0
        out: dict[int, torch.Tensor] = {}
        missing: list[tuple[int, list[int]]] = []
        for number, row in enumerate(rows):
            if (path := folder / f"{number:06}.safetensors").exists():
                out |= {int(i): v for i, v in load_file(path).items()}
                done += len(row)
            else:
                missing.append((number, row))
        world.wait()  # until all have looked
        for turn in range(0, len(missing), world.size):
            if world.any(self.start.stopped()):
                raise Interrupted(
                    f"Stopped after the teacher has read {done} of {len(shown)} answers; what it said is kept."
                )
            own = world.share(missing[turn : turn + world.size])
            read = [(n, row, [s.cpu() for s in self._read([shown[i] for i in row])]) for n, row in own]
            for number, row, states in world.gathered(read):
                out |= dict(zip(row, states, strict=True))
                done += len(row)
                if world.leads:
                    content = save({str(i): s.clone() for i, s in zip(row, states, strict=True)})
                    write_atomic(folder / f"{number:06}.safetensors", content)
            yield Progress(done, len(shown), "teacher", "answers read by the teacher")
        return [out[i] for i in range(len(shown))]

    def _open(self, key: str) -> None:
        """Makes the folder ready; what another training left there goes."""
        folder, world = self.start.folder.teacher, self.start.world
        mark = folder / "of"
        if world.leads and (not mark.exists() or mark.read_text("utf-8") != key):
            self.start.folder.forget_teacher()
            folder.mkdir(parents=True)
            write_atomic(mark, key)
        world.wait()

    def _bytes_of_a_token(self) -> int:
        width = int(self.model.module.config.get_text_config().hidden_size)
        return width * cast(torch.dtype, self.model.device.torch_dtype).itemsize

    def _rows(self, shown: Sequence[Rendered]) -> list[list[int]]:
        """Places of sequences that are read together: their own tokens, or padded ones, within the budget."""
        shares = self.forward.way != "padded"
        shared = shared_beginning([s.ids for s in shown]) if shares else 0
        rows: list[list[int]] = []
        width = total = 0
        for place, sequence in enumerate(shown):
            own = len(sequence.ids) - shared
            width = max(width, own)
            total = total + own if shares else width * (len(rows[-1]) + 1 if rows else 1)
            if not rows or total > self.start.token_budget:
                rows.append([])
                width = total = own
            rows[-1].append(place)
        return rows

    def _read(self, shown: Sequence[Rendered]) -> list[torch.Tensor]:
        with torch.no_grad():
            if self.teacher.model is not None:
                states = self.forward.hidden(shown).states
            else:
                with self.start.attached.as_start():
                    states = self.forward.hidden(shown).states
        return list(states.split([len(learned(s)) for s in shown]))
