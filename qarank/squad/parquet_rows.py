"""Rows of Parquet, a batch at a time."""

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from qarank.errors import DataError
from qarank.squad.columns import Columns, check_header
from qarank.squad.rows import Row
from qarank.squad.text_file import ByteStream

PARQUET_MAGIC = b"PAR1"
ROWS_PER_READ = 1000


def walk_parquet(
    stream: ByteStream, columns: Columns, name: str, *, labelled: bool
) -> Iterator[Row]:
    """Rows of a stream that begins with PARQUET_MAGIC.

    Args:
        stream: at its beginning; gzip is read whole, since Parquet is read from its end.
        columns: which column is which; others are not looked at.
        name: of the file, for messages.
        labelled: whether the columns must have gold answers.

    Raises:
        DataError: it is damaged, or its columns are not those needed.
    """
    number = 0
    is_plain = isinstance(stream, io.BufferedReader)
    try:
        file = pq.ParquetFile(stream if is_plain else pa.BufferReader(stream.read()))
        check_header(file.schema_arrow.names, columns, name, labelled=labelled)
        for batch in file.iter_batches(ROWS_PER_READ):
            for values in batch.to_pylist():
                yield Row(f"{name}: [{number}]", values, "flat")
                number += 1
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{name} is damaged Parquet ({reason})") from error
