"""Who teaches in a training: found by the name that the settings give, and refused where nothing could be learned of
it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from postgrad.errors import UsageError
from postgrad.json_types import JsonMapping
from postgrad.models.base_models import BaseModel, find_model
from postgrad.models.remote.rules import parse_remote
from postgrad.models.rendering.render import load_renderer
from postgrad.objectives import spec_of
from postgrad.recipe import Recipe
from postgrad.registry import Catalogue
from postgrad.steps.arms.named_models import named_models
from postgrad.steps.arms.registered import split_name
from postgrad.steps.arms.remote_models import Remote, remote_named
from postgrad.steps.context import RunContext
from postgrad.storage import sha256_json
from postgrad.training.distillation.options import DistillOptions
from postgrad.training.distillation.teacher import Teacher, refuse_other_tokens
from postgrad.training_settings import TrainingSettings


@dataclass(frozen=True)
class TeacherNamed:
    """Who teaches, before anything is loaded.

    Attributes:
        name: For people.
        remote: At an address; None for a local one.
        base: Another local model; None for one at an address, and for the model that the training starts from.
        blob: Its trained weights, where it is a registered one.
        prompt: Instruction that it alone reads: the one given, else its own.
        identity: Hash of what decides its answers, as far as that is known.
    """

    name: str
    remote: Remote | None = None
    base: BaseModel | None = None
    blob: str | None = None
    prompt: str | None = None
    identity: str = field(default="", repr=False)


def options_of(settings: TrainingSettings) -> DistillOptions | None:
    """The options of an objective that has a teacher; None for others."""
    options = settings.options
    taught = "teacher" in spec_of(settings.objective).needs
    return options if taught and isinstance(options, DistillOptions) else None


def teacher_named(ctx: RunContext, recipe: Recipe, base: BaseModel) -> TeacherNamed:
    """The teacher of the recipe.

    Args:
        base: That is trained.

    Raises:
        UsageError: it is no model, there is no key or price for it, or nothing can be learned of it.
        ModelError: it cannot be had, or its predictions are about other tokens than the base's.
    """
    settings = recipe.training
    options = options_of(settings)
    if options is None:
        raise UsageError(f"The objective {settings.objective} has no teacher.")
    if options.remote and options.teacher is not None:
        remote = remote_named(ctx, recipe.evaluation, options.teacher)
        name = "#".join(parse_remote(options.teacher))
        return TeacherNamed(name, remote, prompt=options.teacher_prompt, identity=sha256_json([name]))
    found = _local(options, settings.start, base)
    if found.base is None and not (found.prompt or options.demonstrate):
        raise UsageError(
            f"The teacher {found.name} is the model that is trained, and reads no more than the student: there is"
            " nothing to learn.",
            "Give it more to read (--set teacher_prompt=@policy.txt, or demonstrate=true), or name another teacher.",
        )
    if found.base is not None and options.way != "text":
        refuse_other_tokens(found.name, load_renderer(found.base), load_renderer(base))
    return found


def _local(options: DistillOptions, start: str | None, base: BaseModel) -> TeacherNamed:
    """A teacher on this machine; without another base where it is what the training starts from."""
    if options.teacher is None:
        identity = sha256_json([base.hash, start])
        return TeacherNamed("the base itself", prompt=options.teacher_prompt, identity=identity)
    (named,) = named_models([options.teacher], Catalogue())
    if named.grounded:
        raise UsageError(
            f"The teacher {options.teacher!r} would read passages of its documents, which is not done in a training.",
            f"Name it without them: {split_name(options.teacher)[0]}.",
        )
    other, entry = find_model(named.base), named.entry
    own = entry.details.get("system_prompt") if entry else None
    blob, prompt = (entry.blob if entry else None), options.teacher_prompt or own
    same = other.hash == base.hash and blob == start
    identity = sha256_json([other.hash, blob])
    return TeacherNamed(options.teacher, None, None if same else other, blob, prompt, identity)


def other_config(settings: TrainingSettings) -> JsonMapping | None:
    """The `config.json` of a teacher that stands in memory beside the base; None where there is none.

    Raises:
        ModelError: the teacher cannot be had.
    """
    options = options_of(settings)
    if options is None or options.teacher is None or options.way == "text":
        return None
    (named,) = named_models([options.teacher], Catalogue())
    return find_model(named.base).config


def as_read(who: TeacherNamed, options: DistillOptions, base: BaseModel, dtype: str) -> Teacher:
    """The teacher as the training takes it, not loaded.

    Args:
        base: That is trained.
        dtype: That everything is computed in.
    """
    own = who.base or base
    return Teacher(who.name, load_renderer(own), own.config, dtype, None, who.prompt, options.demonstrate)
