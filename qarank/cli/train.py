"""qarank train: one run of a recipe."""

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
from qarank.errors import RecipeError

if TYPE_CHECKING:
    from qarank.config.schema import Recipe

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]


def train(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train a recipe's model; the run folder holds all that comes of it.

    Example: qarank train recipes/quickstart.yaml --set sweep=null --set name=mine
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.config.load import load_recipe

    asked = load_recipe(recipe, overrides or [])
    if asked.sweep is not None:
        raise RecipeError(
            f"{recipe} is a sweep of several runs: run it with `qarank sweep`, or one run of the "
            "recipe itself with --set sweep=null --set name=NAME"
        )
    from qarank.workflows.reach import check_reach

    check_reach(asked)
    if dry_run:
        from qarank.cli.prepare import show_plan

        show_plan(asked, as_json=as_json)
        return
    from qarank.cli.render import print_json
    from qarank.workflows.train import TrainOptions, train_recipe

    options = TrainOptions(overwrite=overwrite, show_progress=not quiet)
    run = train_recipe(asked, options)
    if as_json:
        print_json(run)
    else:
        print_run(asked, run)


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
