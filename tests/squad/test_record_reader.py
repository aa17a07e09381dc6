from typing import Any

import pytest

from qarank.errors import DataError
from qarank.squad.columns import USUAL, Columns
from qarank.squad.examples import Example
from qarank.squad.loaded_data import Fault, Notes
from qarank.squad.record_reader import RecordReader
from qarank.squad.rows import Form, Row

RECORD: dict[str, Any] = {"id": "a", "question": "?", "context": "In Ulm", "answers": ["Ulm"]}


def read(
    *records: object, form: Form = "flat", columns: Columns = USUAL, notes: Notes | None = None
) -> list[Example | Fault]:
    reader = RecordReader("d.csv", columns, notes or Notes())
    rows = (Row(f"d.csv: [{number}]", values, form) for number, values in enumerate(records))
    return [found for _, found in reader.read(rows)]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in RECORD.items() if name != key}


def test_records_become_examples_and_what_was_put_right_is_noted() -> None:
    notes = Notes()
    assert read(RECORD, notes=notes) == [Example("a", "", "In Ulm", "?", ("Ulm",), (3,))]
    assert [(mended.id, mended.change) for mended in notes.mended] == [("a", "placed")]


def test_their_names_are_made_ours() -> None:
    record = without("context") | {"body": "In Ulm", "title": 7}
    columns = Columns({"context": "body", "title": "id"})
    (example,) = read(record, columns=columns)
    assert isinstance(example, Example)
    assert (example.context, example.title, example.id) == ("In Ulm", "a", "d-0")
    with pytest.raises(
        DataError, match=r"^d.csv: \[1\] has no column body, which data.columns.con"
    ):
        read(record, RECORD, columns=columns)


def test_cells_are_read_as_values() -> None:
    cells = without("answers") | {"answer_text": "Ulm", "answer_start": "3", "is_impossible": "0"}
    assert read(cells, form="cells") == [Example("a", "", "In Ulm", "?", ("Ulm",), (3,))]


def test_squads_own_form_has_its_own_names() -> None:
    assert read(RECORD, form="nested", columns=Columns({"context": "body"})) == read(RECORD)
    (fault,) = read(without("id"), form="nested")
    assert isinstance(fault, Fault)
    assert fault.line.startswith("d.csv: [0] has no key id;")


def test_where_no_record_has_an_id_they_are_made() -> None:
    notes = Notes()
    found = read(without("id"), 3, without("id"), notes=notes)
    assert [example.id for example in found] == ["d-0", "", "d-2"]
    assert notes.unnamed == ["d.csv"]


@pytest.mark.parametrize(
    ("records", "line"),
    [
        ((RECORD, without("id")), "d.csv: [1] has no id, as others have; all records of a file"),
        ((without("id"), RECORD), "d.csv: [1] has an id, as the first has none; all records of"),
    ],
)
def test_either_all_have_an_id_or_none(records: tuple[object, ...], line: str) -> None:
    _, fault = read(*records)
    assert isinstance(fault, Fault)
    assert fault.line.startswith(line)


def test_a_row_that_is_no_record_is_told() -> None:
    (fault,) = read([1])
    assert isinstance(fault, Fault)
    assert fault.line == (
        "d.csv: [0] is a list of 1 numbers; it must be an object with question and context"
    )
