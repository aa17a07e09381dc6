"""Each point as a job: `qarank train` on a recipe of its own, going on where it was stopped."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qarank.artifacts.atomic import write_text
from qarank.config.load import dump_recipe
from qarank.config.sweep_points import SweepPoint
from qarank.engine.distributed import WAIT_VARIABLE
from qarank.jobs.job import Job

JOBS = "jobs"  # the folder of recipes and logs, in the sweep's
TRAVELLING = (  # what decides results, and where things are found, on whatever machine a job runs
    "PYTHONPATH",
    "QARANK_CACHE",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_DATASETS_CACHE",
    "HF_HUB_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_ENDPOINT",
    "HF_TOKEN",
    "TOKENIZERS_PARALLELISM",
    WAIT_VARIABLE,
)
WRITER_WAIT_S = 120  # a process that lost its sweep, or its machine, saves and ends


@dataclass(frozen=True)
class Share:
    """What of a machine each point gets.

    Attributes:
        nproc: processes.
        threads: CPU threads of each.
        num_gpus: of each point; 0 where there are none.
    """

    nproc: int = 1
    threads: int = 1
    num_gpus: int = 0


def share_threads(
    environment: Mapping[str, str], *, asked: int | None, num_processes: int, num_cores: int
) -> int:
    """CPU threads of each process: as asked, else as OMP_NUM_THREADS says, else the cores shared.

    Args:
        environment: os.environ.
        asked: by the user; None leaves it open.
        num_processes: that run at a time, over all points.
        num_cores: of the machine.
    """
    named = environment.get("OMP_NUM_THREADS", "")
    if asked is not None:
        return asked
    count = int(named) if named.isdecimal() else 0
    return count or max(1, num_cores // num_processes)  # 0 is no number of threads


def build_job(sweep_dir: Path, point: SweepPoint, share: Share) -> Job:
    """Write the point's recipe, and say how it is run.

    Relative paths in a recipe mean what they mean here: the job runs in this folder.
    """
    recipe, log = job_paths(sweep_dir, point.name)
    write_text(recipe, dump_recipe(point.recipe))
    several = ["--nproc", str(share.nproc)] if share.nproc > 1 else []
    return Job(
        name=point.name,
        command=[
            *(sys.executable, "-m", "qarank", "train", str(recipe)),
            *("--resume", "--wait", str(WRITER_WAIT_S), *several),
        ],
        directory=Path.cwd(),
        log=log,
        environment={"OMP_NUM_THREADS": str(share.threads), **_travelling(os.environ)},
        num_gpus=share.num_gpus,
        num_threads=share.threads * share.nproc,
    )


def job_paths(sweep_dir: Path, point: str) -> tuple[Path, Path]:
    """Recipe and log of a point."""
    folder = sweep_dir / JOBS
    return folder / f"{point}.yaml", folder / f"{point}.log"


def _travelling(environment: Mapping[str, str]) -> dict[str, str]:
    """What is set here and goes with a job, so that elsewhere too it finds and does the same."""
    return {name: environment[name] for name in TRAVELLING if name in environment}
