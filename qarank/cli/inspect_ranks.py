"""qarank inspect-ranks: how much rank each matrix kept, and how it came to that."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qarank.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    VerboseOption,
    set_verbosity,
)

if TYPE_CHECKING:
    from qarank.workflows.inspect_output import Inspected

RunsArgument = Annotated[
    list[Path],
    typer.Argument(
        help="Run folders, checkpoints in them, or LoRA and AdaLoRA folders of PEFT's format.",
        show_default=False,
    ),
]
RoundsOption = Annotated[
    bool, typer.Option("--rounds", help="How the ranks came about, round by round.")
]
SpectraOption = Annotated[
    bool,
    typer.Option("--spectra", help="Singular values of each matrix's update; loads torch."),
]
PngOption = Annotated[
    Path | None,
    typer.Option("--png", help="Draw the map and the rounds into this file.", show_default=False),
]
CsvOption = Annotated[
    Path | None,
    typer.Option("--csv", help="Write a row a matrix into this file.", show_default=False),
]


def inspect_ranks(
    runs: RunsArgument,
    rounds: RoundsOption = False,
    spectra: SpectraOption = False,
    png: PngOption = None,
    csv: CsvOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the rank each adapted matrix kept, layer by layer; several runs side by side.

    Examples: qarank inspect-ranks runs/quickstart/adalora --rounds --png ranks.png

    qarank inspect-ranks runs/sweep/seed_* --spectra --csv ranks.csv
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    _check_files(png, csv, overwrite=overwrite)
    inspected = _inspect(runs, with_rounds=rounds, with_spectra=spectra, with_picture=png)
    _write_files(inspected, png, csv, quiet=quiet)
    _print(inspected, as_json=as_json, with_rounds=rounds)


def _check_files(png: Path | None, csv: Path | None, *, overwrite: bool) -> None:
    """Where files go, before anything takes time."""
    from qarank.artifacts.output_file import check_output_file

    if png is not None:
        check_output_file(png, endings=[".png"], what="a picture", overwrite=overwrite)
    if csv is not None:
        check_output_file(csv, endings=[".csv"], what="a table", overwrite=overwrite)


def _inspect(
    runs: list[Path], *, with_rounds: bool, with_spectra: bool, with_picture: Path | None
) -> "list[Inspected]":
    from qarank.workflows.inspect_output import Inspected, label_runs
    from qarank.workflows.inspect_ranks import report_ranks
    from qarank.workflows.inspect_rounds import find_last_step, report_rounds

    reports = [report_ranks(run) for run in runs]
    found = []
    for label, run, report in zip(label_runs(runs), runs, reports, strict=True):
        rounds = report_rounds(run, report) if with_rounds or with_picture else None
        spectra = None
        if with_spectra:
            from qarank.workflows.inspect_spectra import report_spectra  # torch

            spectra = {path: each.to_dict() for path, each in report_spectra(report).items()}
        last_step = find_last_step(run) if rounds else None
        found.append(Inspected(label, report, rounds, spectra, last_step))
    return found


def _write_files(
    inspected: "list[Inspected]", png: Path | None, csv: Path | None, *, quiet: bool
) -> None:
    if png is not None:
        from qarank.workflows.inspect_picture import write_picture  # matplotlib

        write_picture(png, inspected)
    if csv is not None:
        from qarank.artifacts.atomic import write_text
        from qarank.workflows.inspect_output import to_rank_csv

        write_text(csv, to_rank_csv(inspected))
    for path in (png, csv):
        if path is not None and not quiet:
            typer.echo(f"qarank: wrote {path}", err=True)


def _print(inspected: "list[Inspected]", *, as_json: bool, with_rounds: bool) -> None:
    from qarank.cli.rank_table import print_ranks, print_rounds, print_side_by_side, print_spectra
    from qarank.cli.render import print_json
    from qarank.workflows.inspect_output import to_documents

    several = len(inspected) > 1
    correlation = None
    if several:
        from qarank.report.rank_correlation import correlate_ranks  # numpy

        correlation = correlate_ranks([run.report.ranks for run in inspected])
    if as_json:
        documents = to_documents(inspected, correlation)
        for document in documents if not with_rounds else []:
            document.pop("rounds", None)  # read for the picture alone
        print_json(documents if several else documents[0])
        return
    for run in inspected:
        print_ranks(run.report)
        if with_rounds:
            print_rounds(run)
        if run.spectra is not None:
            print_spectra(run)
    if correlation is not None:
        print_side_by_side(inspected, correlation)
