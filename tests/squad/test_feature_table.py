from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from qarank.errors import DataError, RunError
from qarank.squad import feature_table
from qarank.squad.feature_table import FeatureTable, delete_parts, read_table, write_table


@pytest.fixture
def table() -> FeatureTable:
    """Three features of 2, 0 and 3 tokens."""
    return FeatureTable(
        input_ids=np.array([5, 6, 7, 8, 9], dtype=np.int32),
        row_offsets=np.array([0, 2, 2, 5], dtype=np.int64),
        token_type_ids=np.array([0, 1, 0, 1, 1], dtype=np.int8),
        offset_starts=np.array([-1, 0, -1, 3, 5], dtype=np.int32),
        offset_ends=np.array([-1, 2, -1, 4, 9], dtype=np.int32),
        example_index=np.array([0, 1, 1], dtype=np.int32),
        cls_position=np.array([0, 0, 0], dtype=np.int32),
        start_positions=np.array([1, 0, 1], dtype=np.int32),
        end_positions=np.array([1, 0, 2], dtype=np.int32),
        cut_questions=np.array([1], dtype=np.int32),
    )


def assert_same(first: FeatureTable, second: FeatureTable) -> None:
    for field in fields(FeatureTable):
        mine, theirs = getattr(first, field.name), getattr(second, field.name)
        if mine is None:
            assert theirs is None
        else:
            assert mine.dtype == theirs.dtype
            assert mine.tolist() == theirs.tolist()


def test_length_and_lengths_count_features_and_tokens(table: FeatureTable) -> None:
    assert len(table) == 3
    assert table.lengths.tolist() == [2, 0, 3]


def test_what_is_written_is_read(table: FeatureTable, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "features.arrow"
    write_table(table, path)
    assert_same(read_table(path), table)
    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["features.arrow", "features.arrow.sha256"]


def test_a_table_without_token_types_stays_without(table: FeatureTable, tmp_path: Path) -> None:
    bare = replace(table, token_type_ids=None, cut_questions=np.array([], dtype=np.int32))
    write_table(bare, tmp_path / "features.arrow")
    assert_same(read_table(tmp_path / "features.arrow"), bare)


def test_a_read_table_is_a_view_of_the_file_and_cannot_be_written(
    table: FeatureTable, tmp_path: Path
) -> None:
    write_table(table, tmp_path / "features.arrow")
    before = pa.total_allocated_bytes()
    view = read_table(tmp_path / "features.arrow")
    assert pa.total_allocated_bytes() == before
    assert not view.input_ids.flags.writeable
    assert not view.input_ids.flags.owndata


def test_no_damaged_byte_and_no_missing_end_goes_unseen(
    table: FeatureTable, tmp_path: Path
) -> None:
    path = tmp_path / "features.arrow"
    write_table(table, path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 9):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for content in (damaged, whole[:place]):
            path.write_bytes(content)
            with pytest.raises(DataError, match="is damaged: its digest does not fit"):
                read_table(path)


def test_a_missing_file_and_one_without_digest_are_no_whole_ones(
    table: FeatureTable, tmp_path: Path
) -> None:
    path = tmp_path / "features.arrow"
    with pytest.raises(DataError, match="is no whole feature file"):
        read_table(path)
    write_table(table, path)
    (tmp_path / "features.arrow.sha256").unlink()
    with pytest.raises(DataError, match="is no whole feature file"):
        read_table(path)


def test_another_format_is_named(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(table, tmp_path / "features.arrow")
    monkeypatch.setattr(feature_table, "FORMAT", "later")
    with pytest.raises(DataError, match="qarank-features-2; this version reads later"):
        read_table(tmp_path / "features.arrow")


def test_a_folder_that_cannot_be_written_is_told_in_one_line(
    table: FeatureTable, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RunError, match=r"features.arrow: the features cannot be written \(.+\)$"):
        write_table(table, tmp_path / "taken" / "features.arrow")


def test_a_failed_write_leaves_nothing_behind(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RunError, match="No space left on device"):
        write_table(table, tmp_path / "features.arrow")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_wrote_is_deleted_and_nothing_else(
    table: FeatureTable, tmp_path: Path
) -> None:
    path = tmp_path / "features.arrow"
    write_table(table, path)
    for name in ("features.arrow.123.part", "other.arrow.123.part"):
        (tmp_path / name).touch()
    delete_parts(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "features.arrow",
        "features.arrow.sha256",
        "other.arrow.123.part",
    ]
    assert_same(read_table(path), table)
