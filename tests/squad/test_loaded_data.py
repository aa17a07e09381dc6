from qarank.squad.loaded_data import LoadedData, Mended, list_notes


def test_what_was_done_to_the_data_is_told_in_a_line_each() -> None:
    assert list_notes(LoadedData([], [])) == []
    mended = [
        Mended("a", "d.csv", "placed", ""),
        Mended("b", "d.csv", "moved", '"x" (at 1) is "x" at 2'),
        Mended("c", "d.csv", "respelled", ""),
    ]
    assert list_notes(LoadedData([], [], mended=mended, unnamed=["d.csv", "b/d.csv"])) == [
        "d.csv has no ids: each is the file's name and a number, from 0",
        "b/d.csv has no ids: each is d-2, as another has its name, and a number, from 0",
        "answers without an answer_start, found since they occur once: 1",
        "answers that were not where they said, put right: 2, the first in d.csv (id b):"
        ' "x" (at 1) is "x" at 2',
    ]
