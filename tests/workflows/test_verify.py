from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from qarank.artifacts.checkpoint import write_manifest
from qarank.config.schema import Recipe
from qarank.errors import CheckpointError, NoOpError, RunError
from qarank.ranks.selection import Pool
from qarank.workflows.prepare import prepare_run
from qarank.workflows.saved_model import open_model
from qarank.workflows.verify import check_allocation, check_reloaded, check_steps

WEIGHTS = "adapter_model.safetensors"


def plan(
    target: int | None, *, costs: tuple[int, int] = (1, 1), pattern: dict[str, int] | None = None
) -> Any:
    """Two matrices of five triplets."""
    schedule = None if target is None else SimpleNamespace(target_budget=target)
    return SimpleNamespace(schedule=schedule, pattern=pattern, pool=Pool((5, 5), costs))


def allocator(num_rounds: int, kept: int) -> Any:
    mask = torch.arange(10) < kept
    return SimpleNamespace(num_rounds=num_rounds, mask=lambda: mask)


def test_a_run_of_skipped_steps_alone_is_no_success() -> None:
    check_steps(5, 4)
    with pytest.raises(NoOpError, match="all 5 steps had gradients that were not finite"):
        check_steps(5, 5)


def test_a_run_without_an_allocator_has_nothing_to_check() -> None:
    check_allocation(plan(None), None)


def test_the_budget_kept_is_the_budget_asked() -> None:
    check_allocation(plan(4), allocator(3, 4))


def test_no_round_is_no_success() -> None:
    with pytest.raises(NoOpError, match="an allocator was asked for, but no round happened"):
        check_allocation(plan(4), allocator(0, 10))


def test_another_budget_is_no_success() -> None:
    with pytest.raises(NoOpError, match="the budget was 4, but what is kept takes 5"):
        check_allocation(plan(4), allocator(3, 5))


@pytest.mark.parametrize(("target", "is_kept"), [(17, False), (18, True), (19, True), (21, False)])
def test_a_budget_of_parameters_is_used_up_to_what_is_less_than_a_triplet(
    target: int, is_kept: bool
) -> None:
    asked = plan(target, costs=(3, 3))  # 6 kept take 18
    if is_kept:
        check_allocation(asked, allocator(3, 6))
        return
    with pytest.raises(NoOpError, match=f"^the budget was {target}, but what is kept takes 18$"):
        check_allocation(asked, allocator(3, 6))


def test_the_ranks_kept_are_the_patterns() -> None:
    check_allocation(plan(None, pattern={"query": 5, "value": 1}), allocator(1, 6))
    with pytest.raises(NoOpError, match="^the ranks kept are not those of allocator.pattern$"):
        check_allocation(plan(None, pattern={"query": 4, "value": 2}), allocator(1, 6))
    with pytest.raises(NoOpError, match="no round happened"):
        check_allocation(plan(None, pattern={"query": 5, "value": 1}), allocator(0, 6))


def test_a_checkpoint_reloaded_gives_the_same_logits(own_run: Any) -> None:
    prepared = prepare_run(own_run.recipe)
    reader = open_model(own_run.last_checkpoint, precision="fp32").reader
    assert check_reloaded(own_run.last_checkpoint, prepared, reader, "fp32") < 1e-6


def test_a_damaged_checkpoint_is_caught(own_run: Any) -> None:
    prepared = prepare_run(own_run.recipe)
    reader = open_model(own_run.last_checkpoint, precision="fp32").reader
    path = own_run.last_checkpoint / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"{WEIGHTS} differs from its manifest"):
        check_reloaded(own_run.last_checkpoint, prepared, reader, "fp32")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("lora_B.weight", "reloaded has another update of"),
        ("qa_outputs.weight", "reloaded gives other logits: off by"),
    ],
)
def test_other_weights_under_a_whole_manifest_are_caught(
    part: str, message: str, own_run: Any
) -> None:
    prepared = prepare_run(own_run.recipe)
    reader = open_model(own_run.last_checkpoint, precision="fp32").reader
    path = own_run.last_checkpoint / WEIGHTS
    tensors = load_file(path)
    for key in tensors:
        if key.endswith(part):
            tensors[key] = tensors[key] * 1.5
    save_file(tensors, path)
    write_manifest(own_run.last_checkpoint)
    with pytest.raises(RunError, match=message):
        check_reloaded(own_run.last_checkpoint, prepared, reader, "fp32")


def test_training_ends_with_the_check(
    tiny_recipe: Callable[..., Recipe], train_tiny: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr("qarank.workflows.verify.largest_difference", lambda *_: 0.5)
    with pytest.raises(RunError, match=r"off by 0\.5 of the largest"):
        train_tiny()


def test_a_change_of_an_update_too_small_for_the_logits_is_caught(own_run: Any) -> None:
    prepared = prepare_run(own_run.recipe)
    reader = open_model(own_run.last_checkpoint, precision="fp32").reader
    path = own_run.last_checkpoint / WEIGHTS
    tensors = load_file(path)
    changed = next(name for name in tensors if name.endswith("lora_A.weight"))
    tensors[changed] = tensors[changed] * 1.001
    save_file(tensors, path, metadata={"format": "pt"})
    write_manifest(own_run.last_checkpoint)
    with pytest.raises(RunError, match="reloaded has another update of bert.encoder"):
        check_reloaded(own_run.last_checkpoint, prepared, reader, "fp32")
