import json
from pathlib import Path

import pytest

from qarank.artifacts.rank_file import read_ranks
from qarank.errors import CheckpointError, RunDirError

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


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run whose best checkpoint is not its last."""
    folder = tmp_path / "runs" / "other"
    write(folder / "run.json", {"result": {"best_checkpoint": "step_000004"}})
    write(folder / "checkpoints/step_000004/rank_pattern.json", PATTERN)
    last = {"matrices": {path: {"rank": 4} for path in RANKS}}
    write(folder / "checkpoints/step_000008/rank_pattern.json", last)
    return folder


def test_a_run_stands_for_its_best_checkpoint(run: Path) -> None:
    assert read_ranks(run) == RANKS


def test_a_checkpoint_stands_for_itself(run: Path) -> None:
    assert read_ranks(run / "checkpoints/step_000008") == dict.fromkeys(RANKS, 4)


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


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match=r"is not a run: no run\.json in it$"):
        read_ranks(tmp_path)


def test_a_run_that_adapted_nothing_has_no_ranks(run: Path) -> None:
    (run / "checkpoints/step_000004/rank_pattern.json").unlink()
    with pytest.raises(CheckpointError, match="no such file: nothing there was adapted$"):
        read_ranks(run)
