"""qarank prepare: build and cache a recipe's features."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from qarank.cli.options import (
    JsonOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    VerboseOption,
    set_verbosity,
)

if TYPE_CHECKING:
    from qarank.config.schema import Recipe


def prepare(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Tokenise and window a recipe's data, and show what a run of it would be.

    Example: qarank prepare recipes/quickstart.yaml
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.config.load import load_recipe  # pydantic: a third of the time that --help takes

    asked = load_recipe(recipe, overrides or [])
    if asked.sweep is not None:
        show_points(asked, as_json=as_json)
        return
    from qarank.workflows.reach import check_reach

    check_reach(asked)
    show_plan(asked, as_json=as_json, with_estimate=False)


def show_plan(
    recipe: "Recipe", *, as_json: bool, with_estimate: bool, nproc: int | None = None
) -> None:
    """Build the features, and print what a run of the recipe would be.

    Args:
        recipe: one run's.
        as_json: print one JSON document instead of tables.
        with_estimate: load the model too, and time a few steps of it.
        nproc: plan for so many processes; None: for those the launcher started, of which the main
            one does it all.

    Raises:
        RunDirError: after printing, with an estimate: the disk is too small.
    """
    from qarank.engine.environment import read_world

    world = read_world(os.environ)
    if not world.is_main:
        return
    from qarank.cli.plan_table import print_plan
    from qarank.cli.render import print_json
    from qarank.workflows.disk_need import check_disk
    from qarank.workflows.prepare import describe_preparation, prepare_run

    prepared = replace(
        prepare_run(recipe, will_train=with_estimate), world_size=nproc or world.world_size
    )
    report = describe_preparation(prepared)
    if with_estimate:
        from qarank.workflows.rehearsal import estimate_prepared

        report["estimate"] = estimate_prepared(prepared).to_dict()
    if as_json:
        print_json(report)
    else:
        print_plan(recipe.name, report)
    if with_estimate:
        check_disk(prepared)


def show_points(recipe: "Recipe", *, as_json: bool) -> None:
    """Build the features of every point of a sweep, and print what their runs would be."""
    from qarank.config.sweep_points import expand_points
    from qarank.workflows.reach import check_reach

    points = expand_points(recipe)
    for point in points:
        check_reach(point.recipe)
    from qarank.cli.plan_table import print_points
    from qarank.cli.render import print_json
    from qarank.workflows.prepare import describe_points

    described = describe_points(points)
    if as_json:
        print_json({"points": described})
    else:
        print_points(recipe.name, described)
