"""Data: from files to records, and from records to the parts that train, choose and test.

sources → columns → records; then split. `load` does the first three; `documents` reads the folder behind `--docs`.
"""

from postgrad.data.documents.documents import (
    Chunk,
    Document,
    Documents,
    chunk_documents,
    load_documents,
    read_documents,
)
from postgrad.data.load import LoadedRecords, data_hash, load
from postgrad.data.shapes.columns import Mapped, choose_reading, to_records
from postgrad.data.shapes.reading import Reading
from postgrad.data.sources.database import read_sql, stream_sql
from postgrad.data.sources.open_source import read_all, read_rows, stream_rows
from postgrad.data.sources.rows import Row, Rows
from postgrad.data.split.split import Split, split

__all__ = [
    "Chunk",
    "Document",
    "Documents",
    "LoadedRecords",
    "Mapped",
    "Reading",
    "Row",
    "Rows",
    "Split",
    "choose_reading",
    "chunk_documents",
    "data_hash",
    "load",
    "load_documents",
    "read_all",
    "read_documents",
    "read_rows",
    "read_sql",
    "split",
    "stream_rows",
    "stream_sql",
    "to_records",
]
