"""qarank sweep: many runs of one recipe."""

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

if TYPE_CHECKING:
    from qarank.config.sweep_points import SweepPoint

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="List the points and stop.")]


def sweep(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run the points of a recipe one after another; finished ones are not run again.

    Example: qarank sweep recipes/quickstart.yaml
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.config.load import load_recipe
    from qarank.config.sweep_points import expand_points

    asked = load_recipe(recipe, overrides or [])
    points = expand_points(asked)
    if dry_run:
        _show_points(points, as_json=as_json)
        return
    from qarank.workflows.reach import check_reach

    for point in points:
        check_reach(point.recipe)
    from qarank.cli.render import print_json
    from qarank.workflows.sweep import run_sweep

    def announce(number: int, point: "SweepPoint", was_finished: bool) -> None:
        if not quiet:
            state = "finished before, kept" if was_finished else "running"
            typer.echo(f"point {number} of {len(points)}: {point.name}, {state}", err=True)

    summary = run_sweep(
        Path(asked.runs_dir) / asked.name,
        points,
        overwrite=overwrite,
        show_progress=not quiet,
        on_point=announce,
    )
    if as_json:
        print_json(summary)
    else:
        print_summary(asked.name, summary)


def print_summary(name: str, summary: dict[str, Any]) -> None:
    """The table a sweep ends with."""
    from qarank.cli.render import print_table

    keys = {
        "point": "point",
        "exact": "EM",
        "f1": "F1",
        "HasAns_f1": "HasAns",
        "NoAns_exact": "NoAns",
        "trained_parameters": "trained",
        "final_parameters": "kept",
        "final_ranks": "ranks",
        "train_s": "time",
    }
    rows = [
        [round(row[key]) if key == "train_s" else row[key] for key in keys]
        for row in summary["points"]
    ]
    note = "HasAns: F1, NoAns: EM; trained, kept: parameters, head included; time: s"
    print_table(name, list(keys.values()), rows, note=note)


def _show_points(points: "list[SweepPoint]", *, as_json: bool) -> None:
    from qarank.cli.render import print_json, print_table

    shown = [
        {
            "point": point.name,
            "folder": f"{point.recipe.runs_dir}/{point.recipe.name}",
            "adapter": point.recipe.adapter.type,
            "r": point.recipe.adapter.r if point.recipe.adapter.type != "none" else None,
            "target_r": point.recipe.allocator.target_r,
            "learning_rate": point.recipe.train.learning_rate,
            "seed": str(point.recipe.seed),
        }
        for point in points
    ]
    if as_json:
        print_json(shown)
    else:
        print_table("points", list(shown[0]), [list(row.values()) for row in shown])
