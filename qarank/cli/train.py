"""qarank train: one run of a recipe, in one process or several."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qarank.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    VerboseOption,
    set_verbosity,
)
from qarank.engine.environment import World, is_launched, read_world
from qarank.errors import LaunchError, LostProcessError, RecipeError

if TYPE_CHECKING:
    from qarank.config.schema import Recipe

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Time a few steps, show the plan and stop.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on after the newest good checkpoint, if there is one.")
]
ProcessesOption = Annotated[
    int | None,
    typer.Option("--nproc", min=1, metavar="N", help="Processes on this machine, by torchrun."),
]
RestartsOption = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="With --nproc: restarts after a process is lost."),
]


WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", min=0, metavar="S", help="Seconds to wait while another process writes the run."
    ),
]


def train(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    nproc: ProcessesOption = None,
    max_restarts: RestartsOption = 0,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train a recipe's model; the run folder holds all that comes of it.

    A run that was stopped goes on with --resume as if it never had been.

    Example: qarank train recipes/quickstart.yaml --set sweep=null --set name=mine
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.config.load import load_recipe

    asked = load_recipe(recipe, overrides or [])
    _check_recipe(recipe, asked)
    _check_options(nproc=nproc, max_restarts=max_restarts, resume=resume, overwrite=overwrite)
    from qarank.workflows.reach import check_reach

    check_reach(asked)
    if dry_run:
        from qarank.cli.prepare import show_plan

        show_plan(asked, as_json=as_json, with_estimate=True, nproc=nproc)
    elif nproc is not None and (nproc > 1 or max_restarts):
        again = _resume_command(recipe, overrides or [], World(0, 0, nproc, nproc))
        raise typer.Exit(_launch(nproc, max_restarts, resume_command=again))
    else:
        from qarank.workflows.train import TrainOptions, train_recipe

        options = TrainOptions(
            overwrite=overwrite,
            resume=resume,
            show_progress=not quiet,
            resume_command=_resume_command(recipe, overrides or [], read_world(os.environ)),
            wait_s=wait,
        )
        show_run(asked, train_recipe(asked, options), as_json=as_json)


def _launch(nproc: int, max_restarts: int, *, resume_command: str) -> int:
    """Run this command line as several processes; the exit code to end with."""
    from qarank.engine.launch import launch_processes

    command = _without_launch_options(sys.argv[1:])
    try:
        return launch_processes(command, nproc=nproc, max_restarts=max_restarts)
    except LostProcessError as error:
        error.hint = f"go on with {resume_command}"
        raise


def show_run(recipe: "Recipe", run: dict[str, Any], *, as_json: bool) -> None:
    """Print what a finished run came to; of several processes the main one does."""
    from qarank.cli.render import print_json

    if not read_world(os.environ).is_main:
        return
    if as_json:
        print_json(run)
    else:
        print_run(recipe, run)


def print_run(recipe: "Recipe", run: dict[str, Any]) -> None:
    """What a finished run came to."""
    from qarank.cli.render import format_metrics, print_facts

    result = run["result"]
    ranks = result["ranks"].values()
    facts = {
        **format_metrics(result["metrics"]),
        "ranks kept": f"{sum(ranks)} over {len(ranks)} matrices" if ranks else None,
        "rounds": result["num_rounds"],
        "trained parameters": run["plan"]["trained_parameters"],
        "features a second": result["features_per_s"],
        "training time, s": result["train_s"],
        "best checkpoint": f"{recipe.runs_dir}/{recipe.name}/checkpoints/"
        f"{result['best_checkpoint']}",
    }
    print_facts(recipe.name, facts)


def _check_recipe(path: Path, recipe: "Recipe") -> None:
    if recipe.sweep is not None:
        raise RecipeError(
            f"{path} is a sweep of several runs: run it with `qarank sweep`, or one run of the "
            "recipe itself with --set sweep=null --set name=NAME"
        )


def _check_options(*, nproc: int | None, max_restarts: int, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise LaunchError("--resume goes on with a run, --overwrite replaces it: give one of them")
    if nproc is not None and is_launched(os.environ):
        raise LaunchError("--nproc starts torchrun, which has started this process: leave it out")
    if nproc is None and max_restarts:
        raise LaunchError("--max-restarts goes with --nproc; torchrun has an option of that name")


def _without_launch_options(arguments: list[str]) -> list[str]:
    """The command line that each process gets."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, _ = word.partition("=")
        if option not in ("--nproc", "--max-restarts"):
            kept.append(word)
        elif not equals:
            next(words)
    return kept


def _resume_command(recipe: Path, overrides: list[str], world: World) -> str:
    """What to type to go on with as many processes."""
    words = ["qarank", "train", str(recipe)]
    for override in overrides:
        words += ["--set", override]
    if world.local_world_size < world.world_size:
        return f"the same launch on each machine, and --resume: {shlex.join([*words, '--resume'])}"
    if world.world_size > 1:
        words += ["--nproc", str(world.world_size)]
    return shlex.join([*words, "--resume"])
