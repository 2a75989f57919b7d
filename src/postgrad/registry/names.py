"""Further names of registered models, and the leave of other projects to use one."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from sqlalchemy import select

from postgrad.errors import ModelError
from postgrad.json_types import JsonObject
from postgrad.registry.catalogue import Catalogue, ModelEntry
from postgrad.registry.job_tables import PermissionRow
from postgrad.registry.name_tables import NameRow


class Names:
    """Names under which programs ask for models that have another one here, such as the ids that OpenAI gave them.

    Args:
        catalogue: Where the models are.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def point(self, name: str, model: str, origin: JsonObject) -> None:
        """Lets a name mean a model; what it meant before is forgotten.

        Args:
            name: As programs ask.
            model: `name`, `name@version` or `name@alias` of a registered model.
            origin: JSON-safe: where the name comes from.

        Raises:
            ModelError: there is no such model.
        """
        self._catalogue.get(model)
        with self._catalogue.session() as session:
            session.merge(NameRow(name=name, model=model, origin=origin, created=datetime.datetime.now(datetime.UTC)))

    def all(self) -> dict[str, str]:
        """Every further name and what it means."""
        with self._catalogue.session() as session:
            return {row.name: row.model for row in session.scalars(select(NameRow).order_by(NameRow.name))}

    def meaning(self, entry: ModelEntry) -> list[str]:
        """The further names that lead to a model."""
        return [name for name, model in self.all().items() if self._leads(model) == entry.id]

    def _leads(self, model: str) -> str | None:
        try:
            return self._catalogue.get(model).id
        except ModelError:
            return None  # the model was deleted; the name waits for another

    def entry(self, name: str) -> ModelEntry:
        """The model that is registered under a name or is meant by it, to be looked at.

        Raises:
            ModelError: there is none.
        """
        return self._entry(name, self._catalogue.get)

    def serving(self, name: str) -> ModelEntry:
        """The model that answers under a name.

        Raises:
            ModelError: there is none, or nothing of that name is in production.
        """
        return self._entry(name, self._catalogue.serving)

    def _entry(self, name: str, find: Callable[[str], ModelEntry]) -> ModelEntry:
        try:
            return find(name)
        except ModelError:
            with self._catalogue.session() as session:
                row = session.get(NameRow, name)
                meant = row.model if row is not None else None
            if meant is None:
                raise
            return find(meant)


class Permissions:
    """Which models of other projects a project may use.

    Args:
        catalogue: Where the database is.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def of(self, project: str | None, organization: str | None, model: str | None = None) -> set[str]:
        """Names of the models that an organisation's project has leave to use; asks for one model alone if it is
        named."""
        if project is None:
            return set()
        query = select(PermissionRow.checkpoint).where(PermissionRow.project_id == project)
        if organization is not None:
            query = query.where(PermissionRow.organization == organization)
        if model is not None:
            query = query.where(PermissionRow.checkpoint == model)
        with self._catalogue.session() as session:
            return set(session.scalars(query))
