"""Rows of one file to examples: whose names, whose ids, and what had to be put right."""

from collections.abc import Iterator, Mapping
from typing import Any

from qarank.errors import DataError
from qarank.squad.cells import read_cells
from qarank.squad.columns import Columns
from qarank.squad.examples import Example
from qarank.squad.loaded_data import Fault, Notes
from qarank.squad.questions import read_question
from qarank.squad.record_fields import describe
from qarank.squad.rows import Row
from qarank.squad.source_names import list_made_stems

Read = tuple[str, Example | Fault]  # where it stands, and what it is


class RecordReader:
    """Reads the rows of one file.

    Args:
        file: its name, for messages.
        columns: which key or column is which.
        notes: takes what had to be put right.
    """

    def __init__(self, file: str, columns: Columns, notes: Notes) -> None:
        self.file, self.columns, self.notes = file, columns, notes
        self.stem = ""  # of the ids, once they have to be made
        self.has_ids: bool | None = None  # the first record says
        self.found: dict[tuple[str, ...], Mapping[str, str]] = {}

    def read(self, rows: Iterator[Row]) -> Iterator[Read]:
        """An example or a fault for each row.

        Raises:
            DataError: the file is wrong as a whole, or a mapped column is not there.
        """
        for number, row in enumerate(rows):
            yield row.where, self._read_row(row, number)

    def _read_row(self, row: Row, number: int) -> Example | Fault:
        if not isinstance(row.values, dict):
            wanted = "it must be an object with question and context"
            line = f"{row.where} is {describe(row.values)}; {wanted}"
            return Fault("bad_records", line, self.file)
        record = self._rename(row)
        if row.form != "nested":
            try:
                record = self._with_id(record, number, row.where)
            except DataError as error:
                return Fault("bad_records", str(error), self.file)
        read = read_question(record, where=row.where, file=self.file)
        if isinstance(read, Fault):
            return read
        example, mended = read
        self.notes.mended.extend(mended)
        return example

    def _rename(self, row: Row) -> Mapping[str, Any]:
        """The row's values under our names."""
        assert isinstance(row.values, dict)
        if row.form == "nested":
            return row.values
        self.notes.is_mapped = True
        keys = tuple(row.values)
        if keys not in self.found:
            self.found[keys] = self.columns.find(keys, row.where)
        record = {ours: row.values[theirs] for ours, theirs in self.found[keys].items()}
        return read_cells(record) if row.form == "cells" else record

    def _with_id(self, record: Mapping[str, Any], number: int, where: str) -> Mapping[str, Any]:
        """The record with an id: its own, or a made one where no record of the file has any."""
        if self.has_ids is None:
            self.has_ids = "id" in record
            if not self.has_ids:
                self.notes.unnamed.append(self.file)
                self.stem = list_made_stems(self.notes.unnamed)[-1]
        if self.has_ids == ("id" in record):
            return record if self.has_ids else {**record, "id": f"{self.stem}-{number}"}
        said = "has an id, as the first has none" if "id" in record else "has no id, as others have"
        raise DataError(f"{where} {said}; all records of a file must have one, or none")
