"""The checkpoints of a run in training: collected from all processes, written by one."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from qarank.adapters.layer import AdaptedLinear
from qarank.artifacts.atomic import fsync_file, writing
from qarank.artifacts.checkpoint import read_state
from qarank.artifacts.run_dir import RunDir
from qarank.engine.generators import read_generators
from qarank.engine.loop import Trainer
from qarank.engine.nonfinite import are_finite
from qarank.engine.tracking import MetricSink
from qarank.errors import CheckpointError
from qarank.ranks.protocol import Allocator
from qarank.workflows.manner import Manner
from qarank.workflows.prepare import Prepared
from qarank.workflows.run_state import (
    collect_tensors,
    describe_loop,
    restore_generators,
    restore_loop,
    restore_tensors,
)
from qarank.workflows.save import save_checkpoint

LOG = logging.getLogger("qarank")
FACTS = ("global_step", "world_size", "is_settled", "loop", "logger", "progress", "num_revived")


@dataclass(frozen=True)
class SavedState:
    """What a checkpoint's state folder holds.

    Attributes:
        tensors: by name, as run_state has them.
        facts: JSON values.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    @classmethod
    def read(cls, checkpoint: Path) -> "SavedState":
        """From a checkpoint that has been verified.

        Raises:
            CheckpointError: an older version of qarank wrote it, which noted less.
        """
        tensors, facts = read_state(checkpoint)
        missing = [key for key in FACTS if key not in facts]
        if missing:
            raise CheckpointError(
                f"{checkpoint} has no {missing[0]} in its state: it is of an older version and "
                "cannot be gone on with; --overwrite starts anew"
            )
        return cls(tensors, facts)


class Checkpointer:
    """Writes a run's state as checkpoints and takes it back.

    Args:
        prepared: recipe, plan and tokenizer.
        run_dir: of the run.
        tracker: whose lines must be on disk before a checkpoint is.
        trainer: the loop.
        layers: path -> adapter.
        allocator: of the run, if any.
        describe_counts: what the run's listeners have counted, as JSON takes it.
        describe_manner: step -> how the model after it answers.
    """

    def __init__(
        self,
        prepared: Prepared,
        run_dir: RunDir,
        tracker: MetricSink,
        trainer: Trainer,
        layers: Mapping[str, AdaptedLinear],
        allocator: Allocator | None,
        *,
        describe_counts: Callable[[], dict[str, Any]],
        describe_manner: Callable[[int], Manner],
    ) -> None:
        self.prepared, self.run_dir, self.tracker = prepared, run_dir, tracker
        self.trainer, self.layers, self.allocator = trainer, layers, allocator
        self.describe_counts, self.describe_manner = describe_counts, describe_manner

    def save(
        self,
        global_step: int,
        metrics: Mapping[str, Any],
        *,
        is_settled: bool = True,
        generators: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write the checkpoint of a step; every process calls this.

        Args:
            global_step: the step whose weights the model holds.
            metrics: of the step's evaluation, for the model card.
            is_settled: whether what was due after the step, its evaluation, is done.
            generators: of this process as they were after the step; None: as they are.

        Raises:
            RunError: it cannot be written; no process goes on.
        """
        processes = self.trainer.processes
        own = generators or read_generators(self.trainer.device)
        of_all = processes.gather({name: state.cpu() for name, state in own.items()})
        facts = {
            "global_step": global_step,
            "total_steps": self.prepared.plan.total_steps,
            "world_size": processes.world.world_size,
            "is_settled": is_settled,
            "metrics": dict(metrics),
            "loop": describe_loop(self.trainer),
            **self.describe_counts(),
        }

        def write() -> None:
            self.tracker.sync()
            with writing(self.run_dir.ranks_path):
                fsync_file(self.run_dir.ranks_path)
            save_checkpoint(
                self.run_dir.checkpoint_dir(global_step),
                self.trainer.model,
                self.layers,
                recipe=self.prepared.recipe,
                tokenizer=self.prepared.tokenizer,
                manner=self.describe_manner(global_step),
                state=collect_tensors(self.trainer, self.allocator, of_all),
                facts=facts,
            )

        processes.on_main(write)

    def save_extra(
        self,
        global_step: int,
        *,
        is_settled: bool = True,
        generators: Mapping[str, Tensor] | None = None,
    ) -> Path:
        """As `save`, for a checkpoint that the recipe did not ask for; one that is there stays."""
        folder = self.run_dir.checkpoint_dir(global_step)
        if not self.trainer.processes.on_main(folder.is_dir):
            self.save(global_step, {}, is_settled=is_settled, generators=generators)
        return folder

    def save_held(self) -> None:
        """Save the step before the one that failed, if the model still holds it and it is good."""
        trainer = self.trainer
        if not trainer.held_step:
            return
        if trainer.processes.on_main(lambda: are_finite(trainer.parameters)):
            self.save_extra(trainer.held_step, generators=trainer.generators)
        elif trainer.processes.is_main:
            LOG.warning("weights are NaN or infinite after step %d: not saved", trainer.held_step)

    def restore(self, saved: SavedState) -> None:
        """Put a checkpoint's weights, averages and generators back, on every process.

        Raises:
            CheckpointError: it is another model's.
        """
        restore_tensors(saved.tensors, self.trainer, self.allocator)
        restore_loop(saved.facts["loop"], self.trainer)
        restore_generators(
            saved.tensors,
            self.trainer,
            seed=self.prepared.recipe.seed,
            global_step=saved.facts["global_step"],
        )
