from qarank.squad.loaded_data import LoadedData, Mended, list_notes


def test_what_was_done_to_the_data_is_told_in_a_line_each() -> None:
    assert list_notes(LoadedData([], [])) == []
    mended = [
        Mended("a", "d.csv", "placed", ""),
        Mended("b", "d.csv", "moved", '"x" (at 1) is "x" at 2'),
        Mended("c", "d.csv", "respelled", ""),
    ]
    assert list_notes(LoadedData([], [], mended=mended, unnamed=["d.csv"])) == [
        "d.csv has no ids: each is the file's name and a number, from 0",
        "1 answers had no answer_start and occur once: found by their text",
        "2 answers were not where they said and were put right, the first in d.csv (id b):"
        ' "x" (at 1) is "x" at 2',
    ]
