"""Command lines of run_qa by hand, and any flags at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qarank.config.flags.catalogue import ALIASES, BOOLS, FIXED, IDLE_BECAUSE, KNOWN
from qarank.config.flags.translate import Translation, translate_command
from qarank.config.load import parse_recipe
from qarank.config.schema import Recipe
from qarank.errors import RecipeError


def parse(translation: Translation) -> Recipe:
    return parse_recipe({"name": "unnamed", **translation.mapping}, "translated")


MINIMAL = "--model_name_or_path bert-base-uncased --dataset_name squad --do_train --do_eval"
RUN_QA_DEFAULTS = {
    "seed": 42,
    "model": {"name_or_path": "bert-base-uncased"},
    "data": {
        "source": "squad",
        "version_2_with_negative": False,
        "max_seq_length": 384,
        "doc_stride": 128,
    },
    "adapter": {"type": "none", "full": True},
    "allocator": {"type": "none"},
    "train": {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 5e-5,
        "weight_decay": 0.0,
        "schedule": "linear",
        "warmup_steps": 0,
        "max_grad_norm": 1.0,
        "precision": "fp32",
        "group_by_length": False,
        "save_every": 500,
        "log_every": 500,
    },
    "eval": {"batch_size": 8, "every": None, "n_best_size": 20, "max_answer_length": 30},
}


def test_what_a_command_is_silent_about_is_run_qas_default_written_down() -> None:
    translation = translate_command(f"python run_qa.py {MINIMAL}")
    assert translation.mapping == RUN_QA_DEFAULTS
    assert translation.problems == []
    defaults = {note.key for note in translation.notes if note.kind == "default"}
    assert {"seed", "train.learning_rate", "train.precision", "adapter.full"} <= defaults


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        (  # run_qa's own page
            f"python run_qa.py {MINIMAL} --per_device_train_batch_size 12 --learning_rate 3e-5"
            " --num_train_epochs 2 --max_seq_length 384 --doc_stride 128"
            " --output_dir /tmp/debug_squad/",
            {
                "name": "debug_squad",
                "runs_dir": "/tmp",
                "train.batch_size": 12,
                "train.learning_rate": 3e-5,
                "train.epochs": 2,
            },
        ),
        (
            "torchrun --nproc_per_node=8 run_qa.py --gradient_accumulation_steps 2 --bf16"
            f" {MINIMAL} --warmup_ratio 0.1",
            {
                "train.batch_size": 128,
                "train.micro_batch_size": 8,
                "train.precision": "bf16",
                "train.warmup_steps": 0.1,
            },
        ),
        (
            f"accelerate launch --num_processes 2 --mixed_precision fp16 run_qa.py {MINIMAL}",
            {"train.batch_size": 16, "train.precision": "fp16"},
        ),
        (
            f"run_qa.py {MINIMAL} --eval_strategy epoch --save_strategy epoch --num_train_epochs 4",
            {"train.epochs": 4, "train.save_every": 0.25, "eval.every": 0.25},
        ),
        (
            f"run_qa.py {MINIMAL} --max_steps 100 --num_train_epochs 2 --eval_strategy steps",
            {"train.epochs": None, "train.max_steps": 100, "eval.every": 500},
        ),
        (
            f"run_qa.py {MINIMAL} --seed 1 --seed 2 --save_total_limit 5 --no_pad_to_max_length",
            {"seed": 2, "train.keep_checkpoints": 5},
        ),
    ],
)
def test_a_run_qa_line_is_its_recipe(line: str, changed: dict[str, Any]) -> None:
    translation = translate_command(line)
    assert translation.problems == []
    expected = {**translate_command(MINIMAL).keys, **changed}
    assert translation.keys == {
        key: v for key, v in expected.items() if v is not None or key == "eval.every"
    }


def test_files_are_the_data_where_no_dataset_is_named() -> None:
    translation = translate_command(
        "--model_name_or_path ./base --train_file a.json --validation_file b --do_train --do_eval"
    )
    data = parse(translation).data
    assert (data.source, data.train, data.validation) == (None, "a.json", "./b")


@pytest.mark.parametrize(
    ("line", "flag", "advice"),
    [
        (f"{MINIMAL} --learning_rat 3", "--learning_rat 3", "did you mean --learning_rate?"),
        (f"{MINIMAL} --optim adafactor", "--optim adafactor", "AdamW"),
        (f"{MINIMAL} --adam_beta2 0.98", "--adam_beta2 0.98", "AdamW"),
        (f"{MINIMAL} --label_smoothing_factor 0.1", "--label_smoothing_factor 0.1", "leave it out"),
        (f"{MINIMAL} --fsdp full_shard auto_wrap", "--fsdp full_shard auto_wrap", "sharded"),
        (
            f"{MINIMAL} --lr_scheduler_type cosine",
            "--lr_scheduler_type cosine",
            "linear or constant",
        ),
        (f"run_qa_beam_search.py {MINIMAL}", "run_qa_beam_search.py", "trains otherwise"),
        (f"run_seq2seq_qa.py {MINIMAL}", "run_seq2seq_qa.py", "trains otherwise"),
        (f"torchrun --nproc_per_node gpu run_qa.py {MINIMAL}", "--nproc_per_node gpu", "--nproc"),
        (MINIMAL.replace("--do_train", ""), "no --do_train", "add --do_train"),
        (f"{MINIMAL} --do_train false", "--do_train false", "add --do_train"),
        (f"{MINIMAL} stray", "stray", "it stands after --do_eval"),
    ],
)
def test_what_cannot_be_honoured_is_named_with_what_to_do(
    line: str, flag: str, advice: str
) -> None:
    (problem,) = translate_command(line).problems
    assert problem.flag == flag
    assert advice in problem.text


@pytest.mark.parametrize(
    "flags",
    [
        "--adam_beta1 0.9 --adam_beta2 0.999 --adam_epsilon 1e-8",
        "--optim adamw_torch --label_smoothing_factor 0 --dataloader_drop_last false",
        "--past_index -1 --eval_delay 0",
    ],
)
def test_a_flag_whose_one_value_is_what_happens_is_no_problem(flags: str) -> None:
    assert translate_command(f"{MINIMAL} {flags}").problems == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--dataset_name squad --do_train", "names no model; give --model_name_or_path"),
        ("--model_name_or_path x --do_train", "names no training data; give --dataset_name"),
        (
            f"{MINIMAL} --doc_stride 400",
            r"data.doc_stride is 400.*run_qa's default; data.doc_stride: --doc_stride 400\)",
        ),
        (
            f"{MINIMAL} --learning_rate 0",
            r"train.learning_rate is 0; .*\(train.learning_rate: --learning_rate 0\)",
        ),
        (f"{MINIMAL} --max_grad_norm nan", "--max_grad_norm nan: it must be a finite number"),
        ("run_qa.py args.json", "args.json holds the flags; write them out"),
    ],
)
def test_what_is_no_recipe_is_one_line_that_names_the_flag(line: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        translate_command(line)
    assert "\n" not in str(error.value)


def test_processes_given_by_hand_go_before_the_launchers() -> None:
    line = f"torchrun --nproc_per_node gpu run_qa.py {MINIMAL}"
    translation = translate_command(line, nproc=4)
    assert translation.problems == []
    assert translation.keys["train.batch_size"] == 32


def test_what_stands_around_the_flags_is_told() -> None:
    translation = translate_command(f"my_train.py {MINIMAL} --seed 1 --seed 2 > log.txt")
    told = {note.flag: note.text for note in translation.notes if note.kind == "told"}
    assert told["my_train.py"] == "its flags are read as run_qa.py's"
    assert told["> log.txt"] == "left out: a recipe runs nothing else"
    assert told["--seed 2"] == "it is given before with another value; the last one holds"


WORDS = (
    "",
    "'a\n b'",
    "true",
    "false",
    "1",
    "-1",
    "0",
    "0.5",
    "8",
    "no",
    "steps",
    "epoch",
    "f1",
    "svd",
    "x",
)
FLAG = st.tuples(st.sampled_from(sorted(KNOWN | set(ALIASES))), st.sampled_from(WORDS))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(FLAG, max_size=12),
    st.sampled_from(["", MINIMAL, MINIMAL + " --apply_lora --lora_r 4 --lora_alpha 8"]),
)
def test_any_known_flags_give_a_recipe_that_parses_or_one_line(
    flags: list[tuple[str, str]], base: str
) -> None:
    line = " ".join([base, *(f"--{name} {word}" for name, word in flags)])
    try:
        translation = translate_command(line or "--do_train")
    except RecipeError as error:
        assert "\n" not in str(error)
        return
    assert parse(translation)
    told = " ".join(note.flag for note in translation.notes)
    for name, _ in flags:
        assert f"--{name}" in told


@pytest.mark.parametrize("name", sorted(KNOWN - {"model_name_or_path", "dataset_name"}))
def test_every_known_flag_ends_in_a_note(name: str) -> None:
    value = {"lora_type": "svd", "lora_r": 4}.get(name, "" if name in BOOLS else "1")
    line = f"{MINIMAL} --apply_lora --lora_r 16 --lora_alpha 8 --{name} {value}"
    try:
        notes = translate_command(line).notes
    except RecipeError as error:
        assert name in IDLE_BECAUSE or name in FIXED or f"--{name}" in str(error)
        return
    assert any(f"--{name}" in note.flag for note in notes)
