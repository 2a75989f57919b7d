"""Training further from a registered model, by its name."""

from __future__ import annotations

from postgrad.errors import UsageError
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe, merged
from postgrad.registry import Catalogue
from postgrad.registry.names import Names
from postgrad.steps.base_files import BaseFiles

DIGEST = "sha256:"


def with_named_start(recipe: Recipe, base: BaseFiles) -> Working[Recipe]:
    """The recipe with the digest of the weights that `training.start` names; one that names a digest, or none, as it
    is.

    Raises:
        ModelError: no model is registered under that name.
        UsageError: it stands on another base.
    """
    start = recipe.training.start
    if start is None or start.startswith(DIGEST):
        return recipe
    entry = Names(Catalogue()).entry(start)
    own = yield from base.find()
    if entry.base_hash != own.hash:
        raise UsageError(
            f"{entry.id} was trained on another base ({entry.base}) than {recipe.base}, so it cannot be trained further"
            " on it.",
            f"Name its base: --base {entry.base}.",
        )
    yield Said(f"Training begins with {entry.id}.")
    return merged(recipe, {"training.start": entry.blob})
