"""The disk a run needs, by arithmetic from its plan; told before training, not when it is full."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from qarank.config.schema import Recipe
from qarank.errors import RunDirError
from qarank.workflows.preflight import Plan
from qarank.workflows.prepare import Prepared

FLOAT_BYTES = 4  # all that is saved is float32
AVERAGES = 2  # AdamW's, and the allocator's
# What stands around the numbers, measured on checkpoints and generous.
CHECKPOINT_BYTES = 20_000  # model card, settings, manifest, generators
MATRIX_BYTES = 3_000  # an adapted matrix's tensors by name in three files, its rank and its alpha
TRIPLET_BYTES = 15  # kept or not, as a line of JSON
LOGGED_BYTES = 2_000  # a logged step, in metrics.jsonl and TensorBoard
LOGGED_MATRIX_BYTES = 200  # a matrix's tag in TensorBoard, its rank in ranks.jsonl
CANDIDATE_BYTES = 250  # one of an example's n best answers, as a file of JSON has it


@dataclass(frozen=True)
class DiskNeed:
    """Bytes of a run's folder.

    Attributes:
        checkpoint_bytes: of one checkpoint, at the start, when no rank has been cut.
        disk_bytes: of all that is there at once, at most: checkpoints, logs and evaluations.
        disk_free_bytes: free where the folder is, with what the folder itself holds by now.
    """

    checkpoint_bytes: int
    disk_bytes: int
    disk_free_bytes: int


def find_disk_need(prepared: Prepared) -> DiskNeed:
    """What the run needs, and what is free."""
    recipe, plan = prepared.recipe, prepared.plan
    validation = prepared.validation
    num_examples = 0 if validation is None else len(validation.examples)
    checkpoint = count_checkpoint_bytes(plan, recipe)
    num_kept = count_checkpoints(plan, recipe, is_evaluated=validation is not None)
    logs = count_log_bytes(plan, recipe, num_examples)
    folder = Path(recipe.runs_dir) / recipe.name
    return DiskNeed(checkpoint, checkpoint * num_kept + logs, count_free_bytes(folder))


def check_disk(prepared: Prepared) -> DiskNeed:
    """As `find_disk_need`; for the process that writes.

    Raises:
        RunDirError: the run does not fit.
    """
    need, recipe = find_disk_need(prepared), prepared.recipe
    if need.disk_bytes > need.disk_free_bytes:
        raise RunDirError(
            f"{Path(recipe.runs_dir).absolute()}: the run {recipe.name} needs "
            f"{_mebibytes(need.disk_bytes)} of disk, {_mebibytes(need.disk_free_bytes)} are free; "
            f"a checkpoint takes {_mebibytes(need.checkpoint_bytes)}, and a lower "
            f"train.keep_checkpoints (now {recipe.train.keep_checkpoints}) keeps fewer"
        )
    return need


def count_checkpoint_bytes(plan: Plan, recipe: Recipe) -> int:
    """A checkpoint: what others open (an adapter and head, or the full model), and the state.

    The state: trained parameters, AdamW's averages and the allocator's, in float32. A full model's
    tokenizer files are not counted.
    """
    opened = plan.adapter_parameters + plan.head_parameters
    if not plan.matrices:
        opened = plan.base_parameters
    state = plan.trained_parameters * (1 + AVERAGES)
    if recipe.allocator.type == "adalora":  # the others keep next to nothing
        state += plan.adapter_parameters * AVERAGES
    around = CHECKPOINT_BYTES + len(plan.matrices) * (
        MATRIX_BYTES + recipe.adapter.r * TRIPLET_BYTES
    )
    return (opened + state) * FLOAT_BYTES + around


def count_checkpoints(plan: Plan, recipe: Recipe, *, is_evaluated: bool) -> int:
    """Checkpoints there at once, at most: the newest, the best, and one being written."""
    saved = count_due(plan.save_every, plan.total_steps)
    if is_evaluated:  # a best one is saved out of turn
        saved += count_due(plan.eval_every, plan.total_steps)
    return min(saved, recipe.train.keep_checkpoints + is_evaluated) + 1


def count_due(every: int | None, total_steps: int, *, first_step: int = 1) -> int:
    """Steps from first_step on that are multiples of `every`, or the last."""
    if every is None:
        return 1
    multiples = total_steps // every - (first_step - 1) // every
    return multiples + (total_steps % every != 0)


def count_log_bytes(plan: Plan, recipe: Recipe, num_examples: int) -> int:
    """metrics.jsonl, ranks.jsonl, TensorBoard's files, and the answers of each evaluation."""
    num_logged = count_due(recipe.train.log_every, plan.total_steps)
    num_rounds = 0 if plan.schedule is None else len(plan.schedule.rounds())
    lines = (num_logged + num_rounds) * (LOGGED_BYTES + len(plan.matrices) * LOGGED_MATRIX_BYTES)
    answers = num_examples * (recipe.eval.n_best_size + 1) * CANDIDATE_BYTES
    return lines + answers * count_due(plan.eval_every, plan.total_steps)


def count_free_bytes(folder: Path) -> int:
    """Free bytes where a folder is or will be, with those it holds."""
    held = sum(path.lstat().st_size for path in folder.rglob("*")) if folder.is_dir() else 0
    there = next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir()
    )
    return shutil.disk_usage(there).free + held


def _mebibytes(num_bytes: int) -> str:
    return f"{num_bytes / 1024**2:,.1f} MiB"
