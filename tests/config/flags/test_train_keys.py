import shlex
from typing import Any

import pytest

from qarank.config.flags.asked import read_flags
from qarank.config.flags.draft import Draft
from qarank.config.flags.launch import Launch
from qarank.config.flags.train_keys import translate_train

ALONE = Launch(1, "", None)


def translate(line: str, launch: Launch = ALONE) -> Draft:
    draft = Draft(read_flags(shlex.split(line)))
    translate_train(draft, launch)
    return draft


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("--num_train_epochs 2.5", {"epochs": 2.5}),
        ("--max_steps -1 --num_train_epochs 2", {"epochs": 2}),
        ("--max_steps 10", {"max_steps": 10}),
        ("--per_device_train_batch_size 4", {"batch_size": 4, "micro_batch_size": None}),
        ("--per_gpu_train_batch_size 4 --per_device_train_batch_size 2", {"batch_size": 4}),
        ("--gradient_accumulation_steps 4", {"batch_size": 32, "micro_batch_size": 8}),
        ("--lr_scheduler_type constant_with_warmup --warmup_steps 9", {"warmup_steps": 9}),
        ("--lr_scheduler_type constant --warmup_steps 9", {"warmup_steps": 0}),
        ("--lr_scheduler_type constant", {"schedule": "constant"}),
        ("--warmup_ratio 0.06", {"warmup_steps": 0.06}),
        ("--warmup_ratio 0.06 --warmup_steps 9", {"warmup_steps": 9}),
        ("--warmup_steps 0.06", {"warmup_steps": 0.06}),
        ("--max_grad_norm -1", {"max_grad_norm": 0.0}),
        ("--fp16", {"precision": "fp16"}),
        ("--bf16 true", {"precision": "bf16"}),
        ("--fp16 false", {"precision": "fp32"}),
        ("--group_by_length", {"group_by_length": True}),
        ("--train_sampling_strategy group_by_length", {"group_by_length": True}),
        ("--gradient_checkpointing --torch_compile", {"gradient_checkpointing": True}),
        ("--torch_compile", {"compile": True}),
        ("--save_strategy no --save_steps 10", {"save_every": None}),
        ("--save_strategy epoch --num_train_epochs 1", {"save_every": None}),
        ("--save_strategy epoch --num_train_epochs 5", {"save_every": 0.2}),
        ("--save_steps 0.25", {"save_every": 0.25}),
        ("--save_total_limit 1", {"keep_checkpoints": 1}),
        ("--save_total_limit 0", {"keep_checkpoints": None}),
        ("--logging_steps 10 --logging_strategy steps", {"log_every": 10}),
        ("--logging_strategy epoch", {"log_every": 500}),
    ],
)
def test_a_flag_of_the_trainer_is_a_key(line: str, keys: dict[str, Any]) -> None:
    draft = translate(line)
    assert {key: draft.keys.get(f"train.{key}") for key in keys} == keys
    assert draft.list_left() == []
    assert [note for note in draft.notes if note.kind == "impossible"] == []


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("--lr_scheduler_type cosine", ["--lr_scheduler_type cosine"]),
        ("--warmup_ratio 1", ["--warmup_ratio 1"]),
        ("--fp16 --bf16", ["--fp16"]),
        ("--model_name_or_path microsoft/deberta-v3-base --fp16", ["--fp16"]),
        ("--train_sampling_strategy sequential", ["--train_sampling_strategy sequential"]),
        ("--save_strategy best", ["--save_strategy best"]),
        ("--save_strategy epoch --max_steps 9", ["--save_strategy epoch"]),
        ("--logging_steps 0.1", ["--logging_steps 0.1"]),
    ],
)
def test_what_has_no_key_is_refused(line: str, flags: list[str]) -> None:
    draft = translate(line)
    assert [note.flag for note in draft.notes if note.kind == "impossible"] == flags


def test_processes_make_the_batch_and_are_told() -> None:
    draft = translate("--gradient_accumulation_steps 2", Launch(4, "--nproc_per_node 4", None))
    assert draft.keys["train.batch_size"] == 64
    assert draft.keys["train.micro_batch_size"] == 8
    (note,) = [note for note in draft.notes if note.flag == "--nproc_per_node 4"]
    assert note.text.startswith("8 a device x 4 processes x 2 accumulated; start as many with")


def test_that_run_qa_counts_gpus_is_told_where_nothing_says_how_many() -> None:
    text = "run_qa's grows with the GPUs that it sees; if it saw several, say so with --nproc"
    assert text in [note.text for note in translate("").notes]
    alone = translate("", Launch(1, "--nproc_per_node 1", None))
    assert text not in [note.text for note in alone.notes]


def test_one_process_of_a_launcher_is_told_too() -> None:
    notes = translate("", Launch(1, "--nproc_per_node 1", None)).notes
    assert ("--nproc_per_node 1", "8 a device x 1 process") in [(n.flag, n.text) for n in notes]


@pytest.mark.parametrize(
    ("precision", "model", "expected", "num_refused"),
    [
        ("bf16", "bert", "bf16", 0),
        ("fp16", "bert", "fp16", 0),
        ("fp16", "deberta", "fp32", 1),
        ("no", "bert", "fp32", 0),
        ("fp8", "bert", "fp32", 1),
    ],
)
def test_a_launchers_precision_holds_where_the_flags_are_silent(
    precision: str, model: str, expected: str, num_refused: int
) -> None:
    draft = translate(f"--model_name_or_path {model}", Launch(1, "", precision))
    assert draft.keys["train.precision"] == expected
    assert len([note for note in draft.notes if note.kind == "impossible"]) == num_refused


def test_decay_of_biases_and_the_checkpoints_that_stay_are_told() -> None:
    told = [note.text for note in translate("--weight_decay 0.01").notes if note.kind == "told"]
    assert any("biases and norms decay too" in text for text in told)
    assert any("run_qa keeps every checkpoint" in text for text in told)
