import re
import shlex

import pytest
from transformers import HfArgumentParser, TrainingArguments

from qarank.config.flags.asked import Asked, read_flags
from qarank.errors import RecipeError


def read(line: str) -> Asked:
    return read_flags(shlex.split(line))


def values(line: str) -> dict[str, str]:
    return {name: given.value for name, given in read(line).flags.items()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--seed 9 --learning_rate 1e-3", {"seed": "9", "learning_rate": "1e-3"}),
        ("--seed=9", {"seed": "9"}),
        ("--train_file a=b.json", {"train_file": "a=b.json"}),
        ("--train_file=a=b.json", {"train_file": "a=b.json"}),
        ("--max_steps -1", {"max_steps": "-1"}),
        ("--max-steps -1e3", {"max_steps": "-1e3"}),
        ("--report_to tensorboard wandb --seed 9", {"report_to": "tensorboard wandb", "seed": "9"}),
        ("--use_auth_token --seed 9", {"token": "", "seed": "9"}),
        ("", {}),
    ],
)
def test_a_flag_takes_its_value(line: str, expected: dict[str, str]) -> None:
    assert values(line) == expected
    assert read(line).unknown == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--fp16", "true"),
        ("--fp16 --do_train", "true"),
        ("--fp16 true", "true"),
        ("--fp16 True", "true"),
        ("--fp16=1", "true"),
        ("--fp16 no", "false"),
        ("--fp16=False", "false"),
        ("--no_fp16", "false"),
        ("--no_fp16=false", "true"),
    ],
)
def test_a_switch_is_on_unless_it_is_said_otherwise(line: str, expected: str) -> None:
    assert values(line)["fp16"] == expected
    assert read(line).is_on("fp16") == (expected == "true")


def test_of_a_flag_given_twice_the_last_holds_and_it_is_told() -> None:
    asked = read("--seed 1 --fp16 --seed=2 --fp16")
    assert asked.whole("seed") == 2
    assert asked.repeated == ["--seed=2"]


def test_a_flag_is_shown_as_it_was_written() -> None:
    asked = read("--evaluation-strategy steps --seed=9")
    assert asked.shown("eval_strategy") == "--evaluation-strategy steps"
    assert asked.shown("seed") == "--seed=9"
    assert asked.shown("beta1") == "--beta1"


def test_it_is_shown_on_one_line_whatever_it_holds() -> None:
    assert read_flags(["--output_dir", "a\nb"]).shown("output_dir") == "--output_dir a\\nb"
    assert list(read_flags(["--x\ny", "z\n"]).unknown) == ["--x\\ny z\\n"]


def test_unknown_flags_and_stray_words_are_kept_apart() -> None:
    asked = read("stray --learning_rat 3 4 --seed 9 more --do_train yes indeed -x")
    assert asked.unknown == {
        "stray": "no flag takes it; leave it out",
        "--learning_rat 3 4": "did you mean --learning_rate?",
        "more": "it stands after --seed 9, which takes no more",
        "indeed": "it stands after --do_train yes, which takes no more",
        "-x": "no flag of run_qa is like it; leave it out",
    }


def test_numbers_are_whole_where_they_can_be() -> None:
    asked = read("--num_train_epochs 8.0 --learning_rate 8e-5 --seed 9")
    epochs = asked.number("num_train_epochs")
    assert (epochs, type(epochs)) == (8, int)
    assert asked.number("learning_rate") == 8e-5
    assert asked.number("beta1") is None and asked.whole("max_steps") is None


@pytest.mark.parametrize(
    ("line", "name", "kind", "message"),
    [
        ("--seed x", "seed", "whole", "--seed x: it must be a whole number"),
        ("--seed 1.5", "seed", "whole", "--seed 1.5: it must be a whole number"),
        ("--beta1 x", "beta1", "number", "--beta1 x: it must be a number"),
        ("--beta1 inf", "beta1", "number", "--beta1 inf: it must be a finite number"),
        ("--seed $SEED", "seed", "whole", "--seed $SEED holds a variable of the shell"),
    ],
)
def test_a_value_that_is_none_is_one_line(line: str, name: str, kind: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        getattr(read(line), kind)(name)


def test_a_word_that_is_no_choice_is_told_with_those_there_are() -> None:
    asked = read("--lora_type dora")
    with pytest.raises(RecipeError, match="--lora_type dora: it must be one of frd, svd"):
        asked.choice("lora_type", ("frd", "svd"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--seed", "--seed needs a value"),
        ("--seed --fp16", "--seed needs a value"),
        ("--fp16=maybe", "--fp16=maybe: it is a switch, true or false"),
    ],
)
def test_a_flag_without_its_value_is_one_line(line: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read(line)


@pytest.mark.parametrize(
    "line",
    [
        "--seed 9 --seed=10 --learning_rate 3e-5 --max_steps -1 --num_train_epochs=2.5",
        "--learning-rate 1e-3 --do_train --do_eval False --push-to-hub yes --bf16=true",
        "--no_dataloader_pin_memory --no-eval-do-concat-batches --fp16 0 --do_train",
        "--label_names start end --do_train --output_dir 'a b=c' --run_name=x=y",
        "--warmup_steps 0.1 --lr_scheduler_type constant --output_dir=-x --adam_epsilon 1e-8",
    ],
)
def test_values_are_as_the_trainers_own_parser_reads_them(line: str) -> None:
    asked, words = read(line), shlex.split(line)
    theirs = vars(HfArgumentParser(TrainingArguments).parse_args(words))
    assert asked.flags and asked.unknown == {}
    for name, given in asked.flags.items():
        value = theirs[name]
        if isinstance(value, bool):
            assert asked.is_on(name) == value, name
        elif isinstance(value, int | float):
            assert asked.number(name) == value, name
        else:
            assert given.value == (" ".join(value) if isinstance(value, list) else value), name
