"""Several processes that train one model: each takes its share of a step's microbatches, gradients are summed.

Started by `torchrun`, which says in the environment how many there are; alone, everything here does nothing. The loss
is normalised by the whole global batch, so any number of processes gives the same gradient to rounding.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch

from postgrad.models.device import device_kind

T = TypeVar("T")


class World:
    """The processes of this training.

    Attributes:
        rank: This process's number; 0 writes files.
        size: How many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @classmethod
    def of_environment(cls) -> World:
        """The world that torchrun made, joined; a world of one without it."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        distributed: Any = torch.distributed
        if not distributed.is_initialized():
            if device_kind() == "cuda":
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            distributed.init_process_group("nccl" if device_kind() == "cuda" else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, parts: Sequence[T]) -> list[T]:
        """This process's parts."""
        return list(parts[self.rank :: self.size])

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums of numbers over the processes, in float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device="cuda" if device_kind() == "cuda" else "cpu")
        torch.distributed.all_reduce(total)
        return total.tolist()

    def mean(self, values: Sequence[float]) -> tuple[float, float]:
        """The mean of the numbers of all processes, and its standard error."""
        total, squares, count = self.sum([sum(values), sum(v * v for v in values), float(len(values))])
        mean = total / count
        return mean, math.sqrt(max(0.0, squares / count - mean * mean) / count)

    def gathered(self, parts: Sequence[T]) -> list[T]:
        """The parts of all processes, in the order of the processes."""
        if self.size == 1:
            return list(parts)
        out: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(out, list(parts))
        return [part for some in out for part in some]

    def any(self, value: bool) -> bool:
        """Whether any process says so."""
        return self.sum([float(value)])[0] > 0

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sums the gradients over the processes, in one message."""
        if self.size == 1:
            return
        wanted = list(parameters)
        for parameter in wanted:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in wanted])  # pyright: ignore[reportOptionalMemberAccess]
        torch.distributed.all_reduce(flat)
        for parameter, part in zip(wanted, flat.split([p.numel() for p in wanted]), strict=True):
            parameter.grad.copy_(part.view_as(parameter))  # pyright: ignore[reportOptionalMemberAccess]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()
