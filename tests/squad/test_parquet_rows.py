import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qarank.errors import DataError
from qarank.squad import parquet_rows
from qarank.squad.columns import USUAL, Columns
from qarank.squad.parquet_rows import walk_parquet
from qarank.squad.rows import Row

RECORDS = [
    {
        "id": f"q{number}",
        "question": "who?",
        "context": "the mason",
        "answers": {"text": ["mason"], "answer_start": [4]},
    }
    for number in range(5)
]


def make(records: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink)
    return sink.getvalue()


def walk(content: bytes, columns: Columns = USUAL) -> list[Row]:
    stream = io.BufferedReader(io.BytesIO(content))
    return list(walk_parquet(stream, columns, "d.parquet", labelled=True))


def test_rows_come_in_batches_with_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "ROWS_PER_READ", 2)
    assert walk(make(RECORDS)) == [
        Row(f"d.parquet: [{number}]", record, "flat") for number, record in enumerate(RECORDS)
    ]


def test_gzip_around_it_is_unpacked() -> None:
    packed = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(make(RECORDS))))
    rows = list(walk_parquet(packed, USUAL, "d", labelled=True))
    assert [row.values for row in rows] == RECORDS


@pytest.mark.parametrize("share", [0.2, 0.9, 0.99])
def test_a_file_cut_short_is_damaged(share: float) -> None:
    whole = make(RECORDS)
    with pytest.raises(DataError, match=r"^d\.parquet is damaged Parquet \(.+\)$") as caught:
        walk(whole[: int(len(whole) * share)])
    assert "\n" not in str(caught.value)


def test_columns_that_are_not_there_are_told() -> None:
    content = make([{"question": "q", "text": "x"}])
    with pytest.raises(DataError, match="no column context, answers .*; it has question, text;"):
        walk(content)
    with pytest.raises(DataError, match="no column body, which data.columns.context names"):
        walk(content, Columns({"context": "body"}))
