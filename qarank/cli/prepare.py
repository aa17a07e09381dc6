"""qarank prepare: build and cache a recipe's features."""

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
    from qarank.workflows.reach import check_reach

    check_reach(asked)
    show_plan(asked, as_json=as_json)


def show_plan(recipe: "Recipe", *, as_json: bool) -> None:
    """Build the features, and print what a run of the recipe would be."""
    from qarank.cli.plan_table import print_plan
    from qarank.cli.render import print_json
    from qarank.workflows.prepare import describe_preparation, prepare_run

    report = describe_preparation(prepare_run(recipe))
    if as_json:
        print_json(report)
    else:
        print_plan(recipe.name, report["data"], report["plan"])
