"""qarank inspect-ranks: how much rank each matrix kept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qarank.cli.options import JsonOption, QuietOption, VerboseOption, set_verbosity

if TYPE_CHECKING:
    from qarank.workflows.inspect_ranks import RankReport

RunsArgument = Annotated[
    list[Path],
    typer.Argument(help="Run folders, or checkpoint folders in them.", show_default=False),
]


def inspect_ranks(
    runs: RunsArgument,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the rank each adapted matrix kept, layer by layer.

    Example: qarank inspect-ranks runs/quickstart/adalora
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    from qarank.cli.render import print_json
    from qarank.workflows.inspect_ranks import report_ranks

    reports = [report_ranks(run) for run in runs]
    if as_json:
        documents = [report.to_dict() for report in reports]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for report in reports:
        print_ranks(report)


def print_ranks(report: "RankReport") -> None:
    """A row a layer, a column a matrix, sums at both ends."""
    from qarank.cli.render import print_table

    names = list(dict.fromkeys(matrix.name for matrix in report.matrices))
    layers = list(dict.fromkeys((matrix.stack, matrix.layer) for matrix in report.matrices))
    ranks = {((m.stack, m.layer), m.name): m.rank for m in report.matrices}
    several = len({stack for stack, layer in layers}) > 1  # encoder and decoder
    rows = [
        [
            _name_layer(*layer, with_stack=several),
            *(ranks.get((layer, name)) for name in names),
            sum(ranks.get((layer, name), 0) for name in names),
        ]
        for layer in layers
    ]
    sums = [sum(ranks.get((layer, name), 0) for layer in layers) for name in names]
    rows.append(["all", *sums, report.total_rank])
    note = (
        f"{report.total_rank} triplets of {report.r * len(report.matrices)} kept, "
        f"{report.total_parameters:,} parameters"
    )
    columns = ["layer", *(_shorten(name) for name in names), "sum"]
    print_table(f"{report.checkpoint} ({report.type})", columns, rows, note=note)


def _name_layer(stack: str, layer: int | None, *, with_stack: bool) -> str:
    if layer is None:
        return "-"
    return f"{stack}.{layer}" if with_stack else str(layer)


def _shorten(name: str) -> str:
    """`attention.self.query` -> `query`, `attention.output.dense` -> `attention.output`."""
    return name.removeprefix("attention.self.").removesuffix(".dense").removesuffix("_proj")
