"""Arguments and options that several commands share."""

import logging
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qarank.errors import DataError

RecipeArgument = Annotated[Path, typer.Argument(help="Recipe file, YAML.", show_default=False)]
RunArgument = Annotated[
    Path,
    typer.Argument(
        help="Run folder, checkpoint, or a folder that PEFT or transformers open.",
        show_default=False,
    ),
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
NullThresholdOption = Annotated[
    float | None,
    typer.Option(
        help='Score difference above which it is "no answer"; default: the recipe\'s, or the one'
        " tuned.",
        show_default=False,
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No bars, no notes.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="The libraries' notes too.")]

PRECISIONS = ("fp32", "bf16", "fp16", "auto")


def check_choice(option: str, value: str | None, allowed: Sequence[str]) -> None:
    """Raise DataError for a value that is not one of those allowed; None stands for none given."""
    if value is not None and value not in allowed:
        raise DataError(f"{option} is {value}; it must be one of {', '.join(allowed)}")


def check_threshold(null_threshold: float | None) -> None:
    """Raise DataError for a threshold that is not a number."""
    if null_threshold is not None and math.isnan(null_threshold):
        raise DataError("--null-threshold is not a number; it must be one, inf and -inf included")


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
