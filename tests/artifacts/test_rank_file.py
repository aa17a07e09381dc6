import json
from pathlib import Path

import pytest

from qarank.artifacts.rank_file import read_ranks
from qarank.errors import CheckpointError

RANKS = {"encoder.0.query": 2, "encoder.1.query": 0}
PATTERN = {
    "type": "svd",
    "r": 4,
    "matrices": {path: {"rank": rank, "in_features": 8} for path, rank in RANKS.items()},
}


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize("document", [PATTERN, RANKS])
def test_a_file_holds_a_checkpoints_pattern_or_ranks_alone(
    document: dict[str, object], tmp_path: Path
) -> None:
    assert read_ranks(write(tmp_path / "ranks.json", document)) == RANKS


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "",
        [1, 2],
        3,
        {"a": -1},
        {"a": 1.0},
        {"a": True},
        {"a": "1"},
        {"a": None},
        {"a": {"r": 1}},
        {"matrices": [1]},
    ],
)
def test_anything_else_is_refused_in_a_line(document: object, tmp_path: Path) -> None:
    path = write(tmp_path / "ranks.json", document)
    with pytest.raises(CheckpointError) as caught:
        read_ranks(path)
    assert str(caught.value) == (
        f"{path} holds no ranks: a rank_pattern.json, or {{matrix: rank}}, is read"
    )


@pytest.mark.parametrize("document", [{}, {"matrices": {}}])
def test_no_matrix_is_no_pattern(document: object, tmp_path: Path) -> None:
    path = write(tmp_path / "ranks.json", document)
    with pytest.raises(CheckpointError, match="holds no ranks: it names no matrix$"):
        read_ranks(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.json: there is no such file$"):
        read_ranks(tmp_path / "none.json")


def test_a_folder_named_like_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.json").mkdir()
    with pytest.raises(CheckpointError, match=r"odd\.json holds no ranks"):
        read_ranks(tmp_path / "odd.json")
