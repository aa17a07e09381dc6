import pytest

from qarank.squad.rows import ACCEPTED, Row


def test_a_row_says_where_it_stands_and_what_its_values_are() -> None:
    where, values, form = Row("d.csv: line 2", {"id": "a"}, "cells")
    assert (where, values, form) == ("d.csv: line 2", {"id": "a"}, "cells")


@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_accepted_names_answers_where_they_are_wanted(labelled: bool) -> None:
    records, nested = ACCEPTED[labelled].split(", or SQuAD's ")
    assert ("answers" in records) == labelled
    assert nested == (
        '{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'
    )
