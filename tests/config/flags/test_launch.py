import shlex

import pytest

from qarank.config.flags.launch import Launch, read_launch


@pytest.mark.parametrize(
    ("words", "launch"),
    [
        ("python", Launch(1, "", None)),
        ("torchrun --nproc_per_node 4", Launch(4, "--nproc_per_node 4", None)),
        ("torchrun --nproc-per-node=4 --master_port 1", Launch(4, "--nproc_per_node 4", None)),
        (
            "torchrun --nnodes 2 --nproc_per_node 4",
            Launch(8, "--nnodes 2 --nproc_per_node 4", None),
        ),
        ("accelerate launch --num_processes 4", Launch(4, "--num_processes 4", None)),
        (
            "accelerate launch --num_machines 2 --num_processes 4",  # of both machines together
            Launch(4, "--num_processes 4", None),
        ),
        ("accelerate launch --mixed_precision bf16", Launch(1, "", "bf16")),
        ("torchrun --nproc_per_node gpu", Launch(None, "--nproc_per_node gpu", None)),
        ("torchrun --nproc_per_node 0", Launch(None, "--nproc_per_node 0", None)),
        (
            "torchrun --nnodes 1:4 --nproc_per_node 2",
            Launch(None, "--nnodes 1:4 --nproc_per_node 2", None),
        ),
    ],
)
def test_processes_are_counted_over_all_machines(words: str, launch: Launch) -> None:
    assert read_launch(shlex.split(words)) == launch


@pytest.mark.parametrize(
    ("words", "launch"),
    [
        ("CUDA_VISIBLE_DEVICES=0,1 python", Launch(2, "CUDA_VISIBLE_DEVICES=0,1", None)),
        ("export CUDA_VISIBLE_DEVICES=3; python", Launch(1, "CUDA_VISIBLE_DEVICES=3", None)),
        ("CUDA_VISIBLE_DEVICES= python", Launch(1, "", None)),
        ("CUDA_VISIBLE_DEVICES=0,1 torchrun", Launch(1, "", None)),
    ],
)
def test_without_a_launcher_every_visible_gpu_counts(words: str, launch: Launch) -> None:
    assert read_launch(shlex.split(words)) == launch


def test_an_option_without_its_value_is_no_number() -> None:
    assert read_launch(["torchrun", "--nproc_per_node"]).world_size is None
