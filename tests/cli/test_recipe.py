"""qarank recipe: what it prints, writes and refuses."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qarank.config.load import load_recipe

LINE = (
    "torchrun --nproc_per_node=2 run_qa.py --model_name_or_path bert-base-uncased"
    " --dataset_name squad --do_train --do_eval --report_to none --output_dir out/bert"
)
REFUSED = f"{LINE} --adafactor --learning_rat 3"


def test_a_command_line_is_printed_as_a_recipe(run_cli: Callable[..., Any]) -> None:
    done = run_cli("recipe", "--from-flags", LINE)
    assert done.code == 0
    recipe = yaml.safe_load(done.out)
    assert (recipe["name"], recipe["runs_dir"]) == ("bert", "out")
    assert (recipe["train"]["batch_size"], recipe["train"]["learning_rate"]) == (16, 5e-5)
    assert "  --report_to none: every run writes metrics.jsonl" in done.err
    assert "  --nproc_per_node 2, train.batch_size: 8 a device x 2 processes" in done.err


def test_the_file_written_is_the_text_printed_and_a_recipe(
    run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "mine.yaml"
    done = run_cli("recipe", "--from-flags", LINE, "--output", path)
    assert (done.code, done.out) == (0, "")
    assert path.read_text() == run_cli("recipe", "--from-flags", LINE).out
    assert load_recipe(path).name == "bert"


def test_without_an_output_folder_the_files_stem_is_the_name(
    run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    line = LINE.replace("--output_dir out/bert", "")
    assert run_cli("recipe", "--from-flags", line, "-o", path, "-q").code == 0
    assert load_recipe(path).name == "mine"


def test_a_file_that_is_there_is_kept_unless_told(
    run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 1\n")
    done = run_cli("recipe", "--from-flags", LINE, "--output", path)
    assert done.code == 2
    assert "is there already; --overwrite replaces it" in done.err
    assert path.read_text() == "seed: 1\n"
    assert run_cli("recipe", "--from-flags", LINE, "--output", path, "--overwrite").code == 0
    assert load_recipe(path).seed == 42


def test_what_cannot_be_honoured_is_named_and_nothing_is_written(
    run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    done = run_cli("recipe", "--from-flags", REFUSED, "--output", path)
    assert (done.code, done.out, path.exists()) == (2, "", False)
    assert "  --learning_rat 3: did you mean --learning_rate?" in done.err
    assert done.err.splitlines()[-1] == (
        "qarank: --learning_rat 3, --adafactor: cannot be honoured; leave it out, or --lenient"
        " keeps it as a comment"
    )


def test_lenient_keeps_it_as_a_comment(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert run_cli("recipe", "--from-flags", REFUSED, "--output", path, "--lenient").code == 0
    assert "#   --learning_rat 3: did you mean --learning_rate?" in path.read_text().splitlines()
    assert load_recipe(path).train.learning_rate == 5e-5


def test_quiet_says_what_is_wrong_alone(run_cli: Callable[..., Any]) -> None:
    assert run_cli("recipe", "--from-flags", LINE, "-q").err == ""
    assert len(run_cli("recipe", "--from-flags", REFUSED, "-q").err.splitlines()) == 1


def test_json_holds_the_recipe_and_every_note(run_cli: Callable[..., Any]) -> None:
    done = run_cli("recipe", "--from-flags", LINE, "--json")
    document = json.loads(done.out)
    assert document["recipe"]["train"]["batch_size"] == 16
    expected = {"kind": "translated", "flag": "--dataset_name squad", "key": "data.source"}
    assert {**expected, "text": ""} in document["notes"]


def test_json_of_what_cannot_be_honoured_has_no_recipe(run_cli: Callable[..., Any]) -> None:
    done = run_cli("recipe", "--from-flags", REFUSED, "--json")
    document = json.loads(done.out)
    assert (done.code, document["recipe"]) == (2, None)
    kinds = [note["kind"] for note in document["notes"]]
    assert kinds.count("impossible") == 2
    lenient = run_cli("recipe", "--from-flags", REFUSED, "--json", "--lenient")
    assert lenient.code == 0 and json.loads(lenient.out)["recipe"]["name"] == "bert"


def test_a_long_line_comes_from_a_file_or_from_stdin(
    run_cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "#!/bin/sh\n" + LINE.replace(" --", " \\\n  --") + "\n"
    path = tmp_path / "train.sh"
    path.write_text(text)
    printed = run_cli("recipe", "--from-flags", LINE).out
    assert run_cli("recipe", "--from-file", path).out == printed
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert run_cli("recipe", "--from-file", "-").out == printed


def test_processes_are_as_told_before_the_launchers(run_cli: Callable[..., Any]) -> None:
    done = run_cli("recipe", "--from-flags", LINE, "--nproc", "4")
    assert yaml.safe_load(done.out)["train"]["batch_size"] == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the command line by one of --from-flags LINE and --from-file FILE"),
        (["--from-flags", "--a", "--from-file", "-"], "give the command line by one of"),
        (["--from-flags", ""], "the command line is empty"),
        (["--from-flags", "--a 'x"], "the command line: no closing quotation"),
        (["--from-file", "nowhere.sh"], "nowhere.sh: cannot be read: No such file or directory"),
        (["--from-flags", LINE, "--output", "mine.txt"], "mine.txt must end in .yaml, .yml"),
        (["--from-flags", LINE.replace("--dataset_name squad", "")], "names no training data"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, run_cli: Callable[..., Any]
) -> None:
    done = run_cli("recipe", *arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert message in line


def test_a_file_that_is_no_text_is_told(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_bytes(b"run_qa.py \xff")
    assert "train.sh: not UTF-8 text at byte 10" in run_cli("recipe", "--from-file", path).err


TINY_LINE = (
    "run_qa.py --model_name_or_path {model} --dataset_name sample:almanac --do_train --do_eval"
    " --version_2_with_negative --max_train_samples 32 --max_eval_samples 8 --max_seq_length 160"
    " --doc_stride 32 --max_steps 6 --seed 1 --output_dir {runs}/mine"
)


@pytest.mark.parametrize(
    "adapter",
    [
        "",
        "--apply_lora --apply_rankselector --lora_type svd --lora_r 4 --lora_alpha 8"
        " --target_rank 2 --init_warmup 1 --final_warmup 2 --mask_interval 1 --finalize_rank",
    ],
    ids=["full", "adalora"],
)
def test_train_takes_what_is_written_as_it_is(
    adapter: str, run_cli: Callable[..., Any], tiny_model_dir: Path, tmp_path: Path
) -> None:
    path, line = tmp_path / "mine.yaml", TINY_LINE.format(model=tiny_model_dir, runs=tmp_path)
    assert run_cli("recipe", "--from-flags", f"{line} {adapter}", "--output", path).code == 0
    done = run_cli("train", path, "-q")
    assert done.code == 0, done.err
    assert (tmp_path / "mine" / "run.json").is_file()
