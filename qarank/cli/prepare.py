"""qarank prepare: build and cache a recipe's features, and audit its data."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

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

StrictOption = Annotated[
    bool, typer.Option("--strict", help="Whatever the audit finds is an error.")
]


def prepare(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Tokenise, window and audit a recipe's data, and show what a run of it would be.

    Example: qarank prepare recipes/quickstart.yaml
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.config.load import load_recipe  # pydantic: a third of the time that --help takes

    asked = load_recipe(recipe, overrides or [])
    if asked.sweep is not None:
        show_points(asked, as_json=as_json, strict=strict)
        return
    from qarank.workflows.reach import check_reach

    check_reach(asked)
    show_preparation(asked, as_json=as_json, strict=strict)


def show_preparation(recipe: "Recipe", *, as_json: bool, strict: bool) -> None:
    """Build the features, and print what is in the data and what a run of it would be.

    Of several processes the main one does it all.

    Raises:
        DataError: after printing: the data is not sound.
    """
    from qarank.engine.environment import read_world

    world = read_world(os.environ)
    if not world.is_main:
        return
    from qarank.cli.plan_table import print_findings, print_plan
    from qarank.cli.render import print_json
    from qarank.workflows.audit import require_sound
    from qarank.workflows.prepare import audit_prepared, describe_preparation, prepare_run

    prepared = prepare_run(recipe, will_train=False, keep_faults=True)
    written = audit_prepared(prepared)
    prepared = replace(prepared, world_size=world.world_size)
    report = {**describe_preparation(prepared), "audit": written.to_dict()}
    if as_json:
        print_json(report)
    elif written.audit.is_grave:  # then the plan is of less than the data
        print_findings(report)
    else:
        print_plan(recipe.name, report)
    require_sound(written, strict=strict)


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


def show_points(recipe: "Recipe", *, as_json: bool, strict: bool = False) -> None:
    """Build the features of every point of a sweep, and print what their runs would be.

    Raises:
        DataError: after printing: the data of a point is not sound.
    """
    from qarank.config.sweep_points import expand_points
    from qarank.workflows.reach import check_reach

    points = expand_points(recipe)
    for point in points:
        check_reach(point.recipe)
    from qarank.cli.plan_table import print_points
    from qarank.cli.render import print_json
    from qarank.workflows.audit import require_sound
    from qarank.workflows.prepare import describe_points, naming_point

    described = describe_points(points)
    if as_json:
        print_json({"points": [report for report, _ in described]})
    else:
        print_points(recipe.name, [report for report, _ in described])
    for report, written in described:
        with naming_point(report["point"]):
            require_sound(written, strict=strict)
