"""The command line: one Typer app, one file a command, errors as one line and an exit code."""

import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from qarank import __version__
from qarank.cli.evaluate import evaluate
from qarank.cli.inspect_ranks import inspect_ranks
from qarank.cli.merge import merge
from qarank.cli.predict import predict
from qarank.cli.prepare import prepare
from qarank.cli.recipe import recipe
from qarank.cli.sweep import sweep
from qarank.cli.train import train
from qarank.engine.environment import is_launched, read_world
from qarank.errors import LaunchError, QarankError
from qarank.jobs.lifeline import hold_lifeline

FOR_SEVERAL = ("train", "prepare")  # of which prepare leaves all to the main process
app = typer.Typer(
    name="qarank",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("prepare")(prepare)
app.command("train")(train)
app.command("eval")(evaluate)
app.command("predict")(predict)
app.command("sweep")(sweep)
app.command("recipe")(recipe)
app.command("inspect-ranks")(inspect_ranks)
app.command("merge")(merge)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"qarank {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
]


@app.callback()
def describe(
    context: typer.Context,
    version: VersionOption = False,
) -> None:
    """Fine-tune question-answering models with low-rank adapters: LoRA and AdaLoRA on SQuAD.

    A first run, minutes on a CPU: qarank sweep recipes/quickstart.yaml
    """
    if context.invoked_subcommand not in FOR_SEVERAL:
        require_alone(str(context.invoked_subcommand))


def require_alone(command: str) -> None:
    """Refuse a command that several processes would each do in full, into the same files.

    Raises:
        LaunchError: a launcher has started more than this process.
    """
    world_size = read_world(os.environ).world_size if is_launched(os.environ) else 1
    if world_size > 1:
        raise LaunchError(
            f"qarank {command} runs in one process, and {world_size} were started: leave torchrun "
            "or accelerate launch out; qarank train runs in several"
        )


def main() -> None:
    """Run the command line; a mistake becomes one line on stderr and its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit_by_signal)
    if hasattr(signal, "SIGUSR1"):  # asks for a checkpoint: before training there is none to write
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    hold_lifeline(lambda: sys.stdin.buffer)
    try:
        app()
    except QarankError as error:
        if not _is_told_elsewhere(error):
            hint = f"; {error.hint}" if error.hint else ""
            typer.echo(f"qarank: {error}{hint}", err=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a launcher's, while this process ends anyway
        sys.exit(error.exit_code)


def _is_told_elsewhere(error: QarankError) -> bool:
    """Whether another process of the run says it: of a machine's processes the first does.

    The main process tells what another has found, and what befell one alone it tells itself.
    """
    is_main = os.environ.get("RANK", "0") == "0"
    is_first_here = os.environ.get("LOCAL_RANK", "0") == "0"
    return not (is_main or error.is_own) and (error.is_told or not is_first_here)


def _exit_by_signal(number: int, frame: FrameType | None) -> NoReturn:
    typer.echo(f"qarank: stopped by {signal.Signals(number).name}", err=True)
    sys.exit(128 + number)
