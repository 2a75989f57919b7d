"""What a training takes of memory, from its plan and its examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from postgrad.models.rendering.render import Rendered
from postgrad.training.memory import Need, packs
from postgrad.training_settings import TrainingSettings

if TYPE_CHECKING:
    from postgrad.models.language_model import LanguageModel
    from postgrad.training.objectives.base import Objective


def need_of(
    model: LanguageModel,
    plan: TrainingSettings,
    objective: Objective,
    task: Sequence[Rendered],
    general: Sequence[Rendered],
) -> Need:
    """What decides the memory of this training."""
    examples = [*task, *general]
    lengths = sorted((objective.room(e) for e in examples), reverse=True)
    share = (plan.base_replay or plan.replay_share) if general else 0.0
    a_step = math.ceil(plan.batch_size / (1 - share))
    return Need(
        model.base.config,
        plan.method,
        plan.rank,
        lengths[0],
        min(plan.token_budget, objective.units * sum(lengths[:a_step])),
        model.device.dtype,
        plan.recompute,
        plan.embeddings,
        plan.optimizer,
        max(map(objective.sampled, examples)),
        packed=packs(model.device.kind, model.device.dtype),
        beside=objective.beside(examples),
    )
