"""qarank merge: a dense model out of a run."""

from pathlib import Path
from typing import Annotated

import typer

from qarank.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    RunArgument,
    VerboseOption,
    set_verbosity,
)
from qarank.cli.render import print_facts, print_json

OutArgument = Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)]


def merge(
    run: RunArgument,
    out: OutArgument,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Fold a run's adapters into a dense model that plain transformers opens.

    The result is opened again and its logits are compared before it gets its name.

    Example: qarank merge runs/quickstart/adalora merged
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.workflows.merge import merge_run

    report = merge_run(run, out, overwrite=overwrite)
    if as_json:
        print_json(report)
    else:
        print_facts(f"{out}", report)
