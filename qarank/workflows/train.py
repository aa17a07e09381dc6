"""qarank train: a recipe -> a run folder with checkpoints, metrics and ranks."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import write_text
from qarank.artifacts.recovery import set_back
from qarank.artifacts.run_dir import RunDir, empty_run_dir, make_run_dir
from qarank.config.differences import list_means
from qarank.config.load import dump_recipe, load_recipe
from qarank.config.schema import Recipe
from qarank.engine.distributed import Processes
from qarank.engine.environment import is_launched, read_world
from qarank.engine.event_files import cut_events
from qarank.engine.joining import join_processes, local_device
from qarank.engine.precision import resolve_precision
from qarank.engine.signals import SignalRequests
from qarank.engine.tracking import MetricSink, NullTracker, Tracker
from qarank.errors import RunError, StoppedError
from qarank.workflows.agreement import require_same_run_everywhere
from qarank.workflows.announce import announce_plan
from qarank.workflows.build import Setting
from qarank.workflows.checkpointer import SavedState
from qarank.workflows.disk_need import check_disk
from qarank.workflows.prepare import Prepared, prepare_run
from qarank.workflows.run_book import RunBook, describe_run, read_launch
from qarank.workflows.session import TrainingSession
from qarank.workflows.start import Start, find_start, look_at_run, require_same_run

LOG = logging.getLogger("qarank")
REPEATS_S = 2.0  # torchrun hands a signal on that the terminal may have sent already


@dataclass(frozen=True)
class TrainOptions:
    """How a run is made, besides its recipe.

    Attributes:
        overwrite: replace a run of that name.
        resume: go on from the newest good checkpoint; begin where there is none.
        show_progress: draw bars where stderr is a terminal.
        resume_command: what the user types to go on, for messages.
        wait_s: seconds that another process is given to let go of the run's folder.
    """

    overwrite: bool = False
    resume: bool = False
    show_progress: bool = True
    resume_command: str = "--resume"
    wait_s: float = 0.0


def run_path(recipe: Recipe) -> Path:
    """The run's folder."""
    return Path(recipe.runs_dir) / recipe.name


def train_recipe(recipe: Recipe, options: TrainOptions) -> dict[str, Any]:
    """Run a recipe from its start, or a checkpoint, to a finished run folder.

    Under torchrun every process calls this.

    Returns:
        run.json's content.

    Raises:
        QarankError: the recipe cannot be run; nothing has been written.
        StoppedError: a signal asked for it; a checkpoint has been written.
        RunError: training could not go on; the folder is left as a failed run.
    """
    world = read_world(os.environ)
    device = local_device(world)
    with join_processes(world, device) as processes:
        # torchrun has started the processes anew: what they had done is to be gone on with. Where a
        # lost machine was replaced, the new one's launcher has not counted that.
        again = max(processes.gather(world.restarts)) > 0
        asked = processes.on_main(lambda: _ask_again(recipe, options)) if again else options
        before = processes.on_main(lambda: _look(recipe, asked))
        if before.get("state") == "finished":
            LOG.info("%s is finished: nothing is left to do", run_path(recipe))
            return before
        noted = before.get("plan", {}).get("pattern")
        prepared = prepare_run(recipe, processes, noted_ranks=noted)
        processes.on_main(lambda: check_disk(prepared))
        wanted = str(before.get("precision", recipe.train.precision))
        precision = resolve_precision(wanted, device)
        signals = SignalRequests(repeats_s=REPEATS_S if is_launched(os.environ) else 0.0)
        setting = Setting(device, precision, processes, signals)
        require_same_run_everywhere(prepared, setting)
        with _hold_run_dir(recipe, asked, processes) as (run_dir, start), signals:
            return _train(prepared, run_dir, start, setting, asked)


def _ask_again(recipe: Recipe, options: TrainOptions) -> TrainOptions:
    """After a restart: go on with what this launch began; replace what was there before it."""
    if options.overwrite and RunDir(run_path(recipe)).read_run().get("launch") != read_launch():
        return options
    return replace(options, resume=True, overwrite=False)


def _look(recipe: Recipe, options: TrainOptions) -> dict[str, Any]:
    resume, overwrite = options.resume, options.overwrite
    return look_at_run(run_path(recipe), recipe, resume=resume, overwrite=overwrite)


@contextmanager
def _hold_run_dir(
    recipe: Recipe, options: TrainOptions, processes: Processes
) -> Iterator[tuple[RunDir, Start]]:
    """Lock the run's folder and make it ready: emptied, or set back to a checkpoint."""
    with ExitStack() as stack:

        def take() -> Start:
            run_dir = make_run_dir(run_path(recipe))
            stack.enter_context(run_dir.lock(wait_s=options.wait_s))
            start = find_start(run_dir, _look(recipe, options))  # another may have come first
            if start.checkpoint is None:
                empty_run_dir(run_dir, overwrite=options.overwrite or options.resume)
            return start

        yield RunDir(run_path(recipe)), processes.on_main(take)


def _train(
    prepared: Prepared, run_dir: RunDir, start: Start, setting: Setting, options: TrainOptions
) -> dict[str, Any]:
    """Train in a folder that is held, and keep run.json true whatever happens."""
    saved = None
    if start.checkpoint is not None:
        checkpoint = start.checkpoint
        saved = setting.processes.on_main(lambda: SavedState.read(checkpoint))
        require_same_run(start, saved, prepared, setting)
    facts = describe_run(prepared, start, setting)
    book = RunBook(run_dir, facts, writes=setting.processes.is_main)
    setting.processes.on_main(lambda: _make_ready(prepared, run_dir, start, saved))
    book.write("running")
    if setting.processes.is_main:
        announce_plan(prepared)
    try:
        with _open_tracker(run_dir, setting.processes) as tracker:
            session = TrainingSession(
                prepared, run_dir, tracker, setting, show_progress=options.show_progress
            )
            if saved is not None:
                session.restore(saved)
            book.note(estimate=session.estimate())
            book.write("running")
            result = session.run()
    except BaseException as error:
        book.write_failure(error)
        if isinstance(error, StoppedError | RunError) and run_dir.checkpoints():
            error.hint = f"go on with {options.resume_command}"
        raise
    return book.write("finished", result=result)


def _make_ready(
    prepared: Prepared, run_dir: RunDir, start: Start, saved: SavedState | None
) -> None:
    """Cut what came after the checkpoint; note the recipe."""
    if saved is not None:
        last_step = saved.facts["global_step"]
        redo = not saved.facts["is_settled"]
        set_back(run_dir, start.checkpoint, redo_evaluation=redo)
        cut_events(run_dir.tensorboard_dir, last_step, redo_evaluation=redo)
        LOG.info("going on after step %d of %d", last_step, prepared.plan.total_steps)
        for line in list_means(load_recipe(run_dir.recipe_path), prepared.recipe):
            LOG.warning("%s: roundings may differ from here on", line)
    write_text(run_dir.recipe_path, dump_recipe(prepared.recipe))


def _open_tracker(run_dir: RunDir, processes: Processes) -> MetricSink:
    if processes.is_main:
        return Tracker(run_dir.metrics_path, run_dir.tensorboard_dir)
    return NullTracker()
