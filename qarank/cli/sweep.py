"""qarank sweep: many runs of one recipe, a table and a page."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Literal

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

if TYPE_CHECKING:
    from qarank.workflows.sweep import SweepOutcome

OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Run the points whose names fit, as 'lora_*'; may be repeated.",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Show each point's schedule, parameters and time, and stop."),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Points at a time; default: one, or as many as there are GPUs for.",
        show_default=False,
    ),
]
ProcessesOption = Annotated[
    int,
    typer.Option("--nproc", min=1, metavar="N", help="Processes of each point, a GPU each."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="CPU threads of each process; default: OMP_NUM_THREADS, else the cores shared out.",
        show_default=False,
    ),
]
ExecutorOption = Annotated[
    Literal["local", "ray"] | None,
    typer.Option(
        help="Processes here, or tasks of a Ray cluster; default: as the recipe says.",
        show_default=False,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Of a Ray cluster that runs; default: one is started here.",
        show_default=False,
    ),
]


def sweep(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    only: OnlyOption = None,
    dry_run: DryRunOption = False,
    jobs: JobsOption = None,
    nproc: ProcessesOption = 1,
    threads: ThreadsOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run the points of a recipe; ends with a table, plots and a page, report.html.

    Stopped in any way, it goes on by the same command (without --overwrite, which begins anew):
    finished points are kept, unfinished ones resumed, changed ones run anew. A point that fails
    stops no other.

    Example: qarank sweep recipes/quickstart.yaml
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.config.load import load_recipe
    from qarank.config.sweep_points import expand_points

    asked = load_recipe(recipe, overrides or [])
    points = expand_points(asked)  # a wrong one is told before torch loads
    from qarank.workflows.sweep_setup import SweepOptions

    options = SweepOptions(
        only=tuple(only or ()),
        overwrite=overwrite,
        executor=executor,
        address=address,
        jobs=jobs,
        nproc=nproc,
        threads=threads,
        resume_command=shlex.join(["qarank", *(a for a in sys.argv[1:] if a != "--overwrite")]),
    )
    if dry_run:
        from qarank.cli.sweep_plan import show_plan

        show_plan(asked, options, as_json=as_json)
        return
    from qarank.cli.sweep_progress import follow_points
    from qarank.workflows.sweep import run_sweep

    with follow_points([point.name for point in points], shown=not quiet) as listener:
        outcome = run_sweep(asked, options, listener)
    show_outcome(outcome, as_json=as_json)
    if not (as_json or quiet):
        typer.echo(f"report: {asked.runs_dir}/{asked.name}/report.html", err=True)
    if outcome.failure is not None:
        raise outcome.failure


def show_outcome(outcome: "SweepOutcome", *, as_json: bool) -> None:
    """Print what a sweep came to."""
    from qarank.cli.render import print_json
    from qarank.cli.sweep_table import print_results

    if as_json:
        print_json(outcome.results.to_dict())
    else:
        print_results(outcome.results)
