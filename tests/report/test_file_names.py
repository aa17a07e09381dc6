import pytest

from qarank.report.file_names import PAGE, PLATES, SWEEP_FILES, TABLES
from qarank.report.pictures import draw_pictures
from tests.report.studies import STUDIES


def test_names_are_apart_where_case_is_ignored_too() -> None:
    assert len({name.casefold() for name in SWEEP_FILES}) == len(SWEEP_FILES)
    assert all(name == name.casefold() for name in SWEEP_FILES), "as they are compared"
    assert len(SWEEP_FILES) == len(TABLES) + 1 + len(PLATES) and PAGE in SWEEP_FILES


@pytest.mark.parametrize("name", ["many kinds", "nothing finished"])
def test_every_picture_has_a_name_of_these(name: str) -> None:
    assert set(draw_pictures(STUDIES[name])) <= set(SWEEP_FILES)
