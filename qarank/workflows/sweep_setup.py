"""What a call of a sweep takes on: which points, where they run, and what each gets."""

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from qarank.artifacts.run_dir import RunDir
from qarank.config.schema import Recipe
from qarank.config.sweep_points import SweepPoint
from qarank.errors import LaunchError, RecipeError, RunDirError
from qarank.jobs.job import Executor
from qarank.jobs.local import LocalExecutor, share_gpus
from qarank.jobs.ray_cluster import RayExecutor
from qarank.report.file_names import SWEEP_FILES
from qarank.workflows.sweep_job import JOBS, Share, share_threads
from qarank.workflows.sweep_state import EARLIER

SHOWN_NAMES = 6
OWN_NAMES = (JOBS, EARLIER, *SWEEP_FILES)  # of what a sweep has beside its runs


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run, besides its recipe.

    Attributes:
        only: run the points whose names fit one of these patterns, as a shell's; none: all.
        overwrite: run finished points again, and unfinished ones from their start.
        executor: where points run; None: as the recipe says.
        address: of a Ray cluster; None starts one here.
        jobs: points at a time; None: as many as there are GPUs for, one without GPUs.
        nproc: processes of each point.
        threads: CPU threads of each process; None shares the cores out.
        resume_command: what the user types to go on, for messages.
    """

    only: tuple[str, ...] = ()
    overwrite: bool = False
    executor: Literal["local", "ray"] | None = None
    address: str | None = None
    jobs: int | None = None
    nproc: int = 1
    threads: int | None = None
    resume_command: str = "the same command"


def choose_points(points: Sequence[SweepPoint], only: Sequence[str]) -> list[SweepPoint]:
    """Those whose names fit, in the sweep's order.

    Args:
        points: of the sweep.
        only: patterns as a shell's, matched against whole names, of which one must fit; none: all.

    Raises:
        RecipeError: a pattern fits no point.
    """
    for pattern in only:
        if not any(fnmatch.fnmatchcase(point.name, pattern) for point in points):
            names = ", ".join(point.name for point in points[:SHOWN_NAMES])
            more = ", ..." if len(points) > SHOWN_NAMES else ""
            raise RecipeError(
                f"--only {pattern} fits none of the {len(points)} points: {names}{more}"
            )
    return [
        point
        for point in points
        if not only or any(fnmatch.fnmatchcase(point.name, pattern) for pattern in only)
    ]


def check_sweep_dir(sweep_dir: Path, points: Sequence[SweepPoint]) -> None:
    """Refuse a folder that is a run's, and names that the sweep's own folders and files have.

    Raises:
        RunDirError: it holds a run.
        RecipeError: a point has such a name.
    """
    if RunDir(sweep_dir).run_path.exists():
        raise RunDirError(f"{sweep_dir} holds a run; give the sweep another name")
    for point in points:
        if point.name.casefold() in OWN_NAMES:  # some file systems ignore case
            kind = "file" if "." in point.name else "folder"
            raise RecipeError(
                f"a sweep point is named {point.name}, as is a {kind} of the sweep's own; give it "
                "another name"
            )


def choose_executor(recipe: Recipe, options: SweepOptions) -> tuple[Executor, Share]:
    """Where points run, and what of a machine each gets.

    Raises:
        LaunchError: options that do not go together, or too few GPUs.
    """
    assert recipe.sweep is not None  # expand_points has seen it
    kind = options.executor or recipe.sweep.executor
    if kind == "local" and options.address is not None:
        raise LaunchError("--address is a Ray cluster's: it goes with --executor ray")
    gpus = visible_gpus()
    num_gpus = options.nproc if gpus or kind == "ray" else 0  # a cluster's are not seen from here
    places = (
        [] if kind == "ray" else share_gpus(gpus, gpus_a_job=options.nproc, num_jobs=options.jobs)
    )
    threads = share_threads(
        os.environ,
        asked=options.threads,
        num_processes=(len(places) or options.jobs or 1) * options.nproc,
        num_cores=os.cpu_count() or 1,
    )
    share = Share(options.nproc, threads, num_gpus)
    if kind == "ray":
        return RayExecutor(options.address, num_jobs=options.jobs), share
    return LocalExecutor(places), share


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may name here, each GPU by itself."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    listed = [name.strip() for name in named.split(",")] if named else []
    return listed[:count] if listed else [str(number) for number in range(count)]
