"""Parquet, Arrow and Feather files → rows, batch by batch; a row's number is its place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from postgrad.data.sources.bytestream import ByteStream
from postgrad.data.sources.chunks import Chunker
from postgrad.data.sources.json_values import Plain
from postgrad.data.sources.rows import Rows, name_columns
from postgrad.errors import DataError
from postgrad.json_types import JsonObject

_BATCH = 1024
_NAMES = {"parquet": "a Parquet file", "arrow": "an Arrow file"}


def stream_columnar(stream: ByteStream, form: str, chunk: int) -> Iterator[Rows]:
    """Reads a Parquet file or an Arrow file (IPC file or stream, Feather 2).

    Raises:
        DataError: Damaged or cut off, a column name twice, or no rows.
    """
    import pyarrow as pa

    plain = Plain()
    try:
        with stream.as_file() as file:
            schema, batches = _open_parquet(file) if form == "parquet" else _open_arrow(file)
            columns, notes = name_columns(schema.names, stream.file)
            chunker = Chunker(stream.file, form, chunk, [*stream.notes, *notes], columns)
            number = 0
            for batch in batches:
                size = batch.nbytes // max(1, batch.num_rows)
                for values in _to_rows(batch, columns):
                    number += 1
                    yield from chunker.add((number, plain.row(values)), size)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DataError(
            f"{stream.file} is {_NAMES[form]} that cannot be read ({_first_line(error)}).",
            "Perhaps it was cut off: get it or write it again.",
        ) from error
    yield from chunker.end(plain.notes())
    if not chunker.count:
        raise DataError(f"{stream.file} has no rows (columns: {', '.join(columns)}).", "Give one row for each example.")


def _open_parquet(file: IO[bytes]) -> tuple[Any, Iterator[Any]]:
    import pyarrow.parquet as pq

    opened = pq.ParquetFile(file, pre_buffer=False)
    return opened.schema_arrow, opened.iter_batches(batch_size=_BATCH)


def _open_arrow(file: IO[bytes]) -> tuple[Any, Iterator[Any]]:
    import pyarrow as pa

    if file.read(6) == b"ARROW1":
        file.seek(0)
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        file.seek(0)
        reader = pa.ipc.open_stream(file)
        batches = iter(reader)
    return reader.schema, (
        whole.slice(start, _BATCH) for whole in batches for start in range(0, whole.num_rows, _BATCH)
    )


def _to_rows(batch: Any, columns: tuple[str, ...]) -> Iterator[JsonObject]:
    import pyarrow as pa

    batch.validate(full=True)  # a damaged file would be read beyond its buffers
    arrays = []
    for array in batch.columns:
        if pa.types.is_timestamp(array.type) and array.type.unit == "ns":  # Python's datetime ends at microseconds
            array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
        arrays.append(array.to_pylist(maps_as_pydicts="lossy"))
    for values in zip(*arrays, strict=True):
        yield dict(zip(columns, values, strict=True))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
