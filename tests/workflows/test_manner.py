import json
from pathlib import Path

import pytest

from qarank.config.schema import Recipe
from qarank.errors import CheckpointError, DataError
from qarank.workflows.manner import Manner

FOLDER = Path("runs/mine")


def test_a_folder_gives_back_what_was_written_there(tmp_path: Path) -> None:
    for threshold in (-1.5, None):
        manner = Manner(96, 24, 5, 7, threshold, version_2_with_negative=False)
        manner.write(tmp_path)
        assert Manner.of_folder(tmp_path) == manner


def test_a_folder_that_says_nothing_is_read_as_run_qa_would(tmp_path: Path) -> None:
    assert Manner.of_folder(tmp_path) == Manner(384, 128, 20, 30, 0.0, version_2_with_negative=None)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"max_seq_length": 3}'])
def test_a_file_that_cannot_be_read_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "answering.json").write_text(text)
    with pytest.raises(CheckpointError, match="answering.json cannot be read as how a model ans"):
        Manner.of_folder(tmp_path)


def test_a_recipe_says_how_its_model_answers() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "model": {"name_or_path": "some/model"},
            "data": {"source": "squad_v2", "max_seq_length": 96, "doc_stride": 24},
            "train": {"max_steps": 1},
            "eval": {"n_best_size": 5, "max_answer_length": 7},
        }
    )
    manner = Manner.of_recipe(recipe, null_threshold=2.0, with_null=True)
    assert manner == Manner(96, 24, 5, 7, 2.0, version_2_with_negative=True)
    settings = manner.eval_settings()
    assert (settings.n_best_size, settings.max_answer_length) == (5, 7)


@pytest.mark.parametrize(
    ("own", "asked", "chosen"), [(-1.5, None, -1.5), (-1.5, 3.0, 3.0), (None, 0.0, 0.0)]
)
def test_the_threshold_is_the_one_asked_for_or_the_models_own(
    own: float | None, asked: float | None, chosen: float
) -> None:
    manner = Manner(null_threshold=own)
    assert manner.choose_threshold(asked, with_null=True, of=FOLDER) == chosen


def test_without_no_answer_there_is_no_threshold() -> None:
    assert Manner().choose_threshold(None, with_null=False, of=FOLDER) is None
    with pytest.raises(
        DataError, match="^runs/mine: every question .* so a null threshold decides"
    ):
        Manner().choose_threshold(0.0, with_null=False, of=FOLDER)


def test_a_model_without_a_tuned_threshold_says_what_to_do() -> None:
    with pytest.raises(CheckpointError, match="saved out of turn, .* give --null-threshold, or"):
        Manner(null_threshold=None).choose_threshold(None, with_null=True, of=FOLDER)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"max_seq_length": 0}, "max_seq_length is 0; it must be a whole number, 1 or more"),
        ({"n_best_size": "20"}, "n_best_size is '20'; it must be"),
        ({"doc_stride": True}, "doc_stride is True"),
        ({"null_threshold": "tuned"}, "null_threshold is 'tuned'; it must be a number or null"),
        ({"version_2_with_negative": "yes"}, "version_2_with_negative is 'yes'; true or false"),
    ],
)
def test_values_that_cannot_be_are_told(
    changed: dict[str, object], line: str, tmp_path: Path
) -> None:
    Manner().write(tmp_path)
    path = tmp_path / "answering.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(CheckpointError, match=line):
        Manner.of_folder(tmp_path)
