import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.config.flags.words import make_printable, split_command
from qarank.errors import RecipeError

SCRIPT_FILE = r"""#!/bin/bash
# the run of the paper
export MASTER_PORT=8679
OUT="/data/my runs"
python -m torch.distributed.launch --nproc_per_node=2 \
  examples/question-answering/run_qa.py \
  --seed 9 \
  # a comment between flags
  --output_dir ${OUT}/bert   # don't mind the quote
"""


def test_a_scripts_comments_assignments_launcher_and_continued_lines_are_read() -> None:
    command = split_command(SCRIPT_FILE)
    assert command.script == "examples/question-answering/run_qa.py"
    assert command.words == ("--seed", "9", "--output_dir", "/data/my runs/bert")
    assert command.launch[-1] == "--nproc_per_node=2"
    assert command.dropped == ()


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("run_qa.py --seed 9", "run_qa.py"),
        ("python run_qa.py --seed 9", "run_qa.py"),
        ("$ CUDA_VISIBLE_DEVICES=0 python -u ./run_qa.py --seed 9", "./run_qa.py"),
        ("torchrun --nproc_per_node 2 run_qa.py --seed 9", "run_qa.py"),
        ("accelerate launch --num_processes 2 run_qa.py --seed 9", "run_qa.py"),
        ("python -m torch.distributed.run -m qa.run_qa --seed 9", "qa.run_qa"),
        ("!python run_qa.py --seed 9", "run_qa.py"),
        ("--seed 9", ""),
        ("\n  --seed\n  9\n", ""),
    ],
)
def test_what_stands_in_front_of_the_script_is_no_flag(text: str, script: str) -> None:
    command = split_command(text)
    assert (command.script, command.words) == (script, ("--seed", "9"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--a 'x y'", ("--a", "x y")),
        ('--a "it\'s # no comment"', ("--a", "it's # no comment")),
        ("--a 'two\\\nlines'", ("--a", "two\\\nlines")),
        ("--a x#y", ("--a", "x#y")),
        ("--a=b=c", ("--a=b=c",)),
        (r"--a x\ y", ("--a", "x y")),
        ("--a \\\r\n  1", ("--a", "1")),
        ("--a \\  \n 1", ("--a", "1")),
        ("--a $HOME/x", ("--a", "$HOME/x")),
    ],
)
def test_quotes_and_marks_are_the_shells(text: str, words: tuple[str, ...]) -> None:
    assert split_command(text).words == words


@pytest.mark.parametrize(
    ("tail", "dropped"),
    [
        ("> log.txt 2>&1", [">", "log.txt", "2>&1"]),
        ("2>&1 | tee log", ["2>&1", "|", "tee", "log"]),
        ("&& echo done", ["&&", "echo", "done"]),
        ("&", ["&"]),
    ],
)
def test_what_the_shell_does_afterwards_is_told_apart(tail: str, dropped: list[str]) -> None:
    command = split_command(f"run_qa.py --seed 9 {tail}")
    assert (command.words, list(command.dropped)) == (("--seed", "9"), dropped)


def test_a_semicolon_ends_the_command_at_a_words_end_too() -> None:
    command = split_command("run_qa.py --seed 9; echo done")
    assert (command.words, command.dropped) == (("--seed", "9"), ("echo", "done"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "the command line is empty"),
        ("# nothing but a comment", "the command line is empty"),
        ("--a 'x", "the command line: no closing quotation"),
        ("torchrun --nproc_per_node 2", "names no script before its flags"),
        ("python run_qa.py --a 1\npython run_qa.py --a 2", "holds 2 commands; give one at a time"),
    ],
)
def test_what_is_not_one_command_is_one_line(text: str, line: str) -> None:
    with pytest.raises(RecipeError, match=line) as error:
        split_command(text)
    assert "\n" not in str(error.value)


def test_a_variables_value_ends_at_a_semicolon() -> None:
    assert split_command("A=x; run_qa.py --a $A/y").words == ("--a", "x/y")


def test_what_is_no_line_of_text_is_shown_as_escapes() -> None:
    assert make_printable("é a\n\x85") == "é a\\n\\x85"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        split_command(text)
    except RecipeError as error:
        assert "\n" not in str(error)
