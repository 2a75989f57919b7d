"""What left the house: which model, in which format, to where, and what the gate found."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import select

from postgrad.json_types import JsonObject
from postgrad.registry.catalogue import Catalogue, ModelEntry
from postgrad.registry.tables import ExportRow, ModelRow


@dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        place: The folder, or the address that it was sent to.
        files: SHA-256 by path.
        parity: What the gate found.
    """

    format: str
    quantization: str
    place: str
    files: dict[str, str]
    parity: JsonObject
    made: datetime.datetime


class Exports:
    """The exports of all models.

    Args:
        catalogue: In whose database they are.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(
        self, entry: ModelEntry, format: str, quantization: str, place: str, files: dict[str, str], parity: JsonObject
    ) -> None:
        """Writes one down."""
        with self._catalogue.session() as session:
            query = select(ModelRow.id).where(ModelRow.name == entry.name, ModelRow.version == entry.version)
            session.add(
                ExportRow(
                    model_id=session.scalars(query).one(),
                    format=format,
                    quantization=quantization,
                    place=place,
                    files=files,
                    parity=parity,
                    made=datetime.datetime.now(datetime.UTC),
                )
            )

    def of(self, entry: ModelEntry) -> list[Export]:
        """Those of a model, oldest first."""
        with self._catalogue.session() as session:
            rows = session.scalars(
                select(ExportRow)
                .join(ModelRow, ExportRow.model_id == ModelRow.id)
                .where(ModelRow.name == entry.name, ModelRow.version == entry.version)
                .order_by(ExportRow.id)
            )
            return [Export(r.format, r.quantization, r.place, r.files, r.parity, r.made) for r in rows]
