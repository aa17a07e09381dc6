import json
from pathlib import Path

import pytest
import yaml

from tests.faults.launching import Launcher


def read_tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if path.name != ".holder.json"}


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("train.max_steps=80", "train.max_steps is 60 there, 80 here"),
        ("seed=2", "seed is 1 there, 2 here"),
        ("train.batch_size=4", "train.batch_size is 8 there, 4 here"),
        ("allocator.tfinal=10", "allocator.tfinal is 20 there, 10 here"),
        ("data.max_train_examples=40", "data.max_train_examples is 63 there, 40 here"),
        ("model.dropout=0.0", "model.dropout is 0.1 there, 0.0 here"),
    ],
)
def test_another_recipe_is_refused_by_the_key_that_differs(
    override: str, difference: str, launcher: Launcher, arguments: list[str], killed_run: Path
) -> None:
    before = read_tree(killed_run)
    ended = launcher.run(*arguments, "--set", override, "--resume")
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert f"{killed_run} holds a run of another recipe: {difference}" in line, line
    assert "--overwrite replaces it, another name keeps both" in line
    assert read_tree(killed_run) == before


def squad_file(path: Path, *, num_questions: int, answer: str) -> Path:
    """A SQuAD file of so many questions whose answer is a word of its passage."""
    context = "The keeper wrote the report in June and went home in July."
    answers = [{"text": answer, "answer_start": context.index(answer)}]
    questions = [
        {"id": f"q{number}", "question": f"When was report {number}?", "answers": answers}
        for number in range(num_questions)
    ]
    article = {"title": "t", "paragraphs": [{"context": context, "qas": questions}]}
    path.write_text(json.dumps({"version": "1.1", "data": [article]}))
    return path


@pytest.mark.parametrize(
    ("num_questions", "answer"),
    [(40, "June"), (32, "July")],
    ids=["more of it", "as much of it, with other answers"],
)
def test_other_data_under_the_same_name_is_refused(
    num_questions: int,
    answer: str,
    launcher: Launcher,
    recipe_file: Path,
    tmp_path: Path,
) -> None:
    data = squad_file(tmp_path / "train.json", num_questions=32, answer="June")
    recipe = yaml.safe_load(recipe_file.read_text())
    lengths = {"max_seq_length": 160, "doc_stride": 32}
    recipe |= {
        "runs_dir": str(tmp_path),
        "data": {"train": str(data), **lengths},
        "eval": {"batch_size": 8},
    }
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(recipe))
    moment = {"scope": "step", "step": 12, "number": 1}
    kill = {"moment": moment, "note": str(tmp_path / "note")}
    launcher.run("train", own, kill=kill)
    squad_file(data, num_questions=num_questions, answer=answer)
    ended = launcher.run("train", own, "--resume")
    assert ended.code == 2, ended.err
    what = "was made with other data or another model: the train data have changed since; "
    assert f"{what}--overwrite starts anew" in ended.last_line, ended.last_line
