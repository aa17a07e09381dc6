"""Arguments and options that several commands share."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[Path, typer.Argument(help="Recipe file, YAML.", show_default=False)]
RunArgument = Annotated[
    Path, typer.Argument(help="Run folder, or a checkpoint folder in it.", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
PrecisionOption = Annotated[
    str | None,
    typer.Option(help="fp32, bf16, fp16 or auto; default: the recipe's.", show_default=False),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No bars, no notes.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="The libraries' notes too.")]


def set_verbosity(*, quiet: bool, verbose: bool) -> None:
    """Notes go to stderr: ours by default, none with quiet, the libraries' too with verbose.

    Of several processes the main one tells what all do.
    """
    is_main = os.environ.get("RANK", "0") == "0"
    level = logging.ERROR if quiet else logging.INFO if is_main else logging.WARNING
    logging.basicConfig(format="%(message)s", level=logging.INFO if verbose else logging.ERROR)
    logging.getLogger("qarank").setLevel(level)
    if quiet or not sys.stderr.isatty():  # read when those libraries are imported, later
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
