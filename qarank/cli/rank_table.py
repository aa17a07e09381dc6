"""Ranks for people: a heat map a run, its rounds, its spectra, several runs side by side."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.align import Align
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qarank.cli.render import format_value, open_console
from qarank.report.colour_scale import colour_at, letters_on
from qarank.report.trajectory import mean_by_kind, thin

if TYPE_CHECKING:
    from qarank.report.rank_correlation import RankCorrelation
    from qarank.workflows.inspect_output import Inspected
    from qarank.workflows.inspect_ranks import RankReport

SHOWN_ROUNDS = 20
SCALE_STEPS = 8
SHOWN_VALUES = 3  # singular values of a matrix
TOPS = (1, 2, 4)  # so many of the largest
WITH_START = ("svd", "frd", "ADALORA")  # types whose r is what every matrix started with


def print_ranks(report: "RankReport") -> None:
    """A row a layer, a column a matrix, sums at both ends; a cell's colour is its rank."""
    names = list(dict.fromkeys(matrix.name for matrix in report.matrices))
    layers = list(dict.fromkeys((matrix.stack, matrix.layer) for matrix in report.matrices))
    ranks = {((m.stack, m.layer), m.name): m.rank for m in report.matrices}
    table = _open_table(f"{report.checkpoint} ({report.type})")
    table.add_column("layer", overflow="fold")
    for name in names:
        table.add_column(_shorten(name), justify="center", overflow="fold", min_width=4)
    table.add_column("sum", justify="right")
    for layer in layers:
        found = [ranks.get((layer, name)) for name in names]
        cells = [_draw_cell(rank, report.r) for rank in found]
        total = sum(rank or 0 for rank in found)
        label = _name_layer(*layer, with_stack=report.has_stacks)
        table.add_row(Text(label), *cells, Text(format_value(total)))
    sums = [sum(ranks.get((layer, name), 0) for layer in layers) for name in names]
    table.add_row("all", *map(format_value, sums), format_value(report.total_rank))
    console = open_console()
    console.print(table)
    _print_scale(console, report.r)
    of_start = f" of {report.r * len(report.matrices):,}" if report.type in WITH_START else ""
    console.print(
        f"{report.total_rank:,} triplets{of_start} kept, {report.total_parameters:,} parameters",
        highlight=False,
    )
    for note in report.notes:
        console.print(note, style="dim", highlight=False, markup=False)
    console.print()


def print_rounds(run: "Inspected") -> None:
    """The trajectory, at most twenty rounds of it, the first and the last among them."""
    rounds = run.rounds or []
    if not rounds:
        typer.echo(f"{run.label}: no rounds on record\n")
        return
    shown = thin(rounds, SHOWN_ROUNDS)
    rows = [
        [
            str(each.global_step),
            each.budget,
            each.triplets,
            each.parameters,
            _format_figure(each.threshold, 3),
            _format_figure(each.margin, 3),
            each.revived,
            each.changed,
        ]
        for each in shown
    ]
    columns = ["step", "budget", "triplets", "parameters", "threshold", "margin", "revived"]
    less = f"{len(shown)} of {len(rounds):,} rounds, --json gives all; "
    note = (
        f"{less if len(shown) < len(rounds) else ''}threshold: the largest score cut; margin: the "
        "smallest kept less that; changed: matrices of another rank than before"
    )
    _print_rows(f"{run.label}: rounds", [*columns, "changed"], rows, note=note)


def print_spectra(run: "Inspected") -> None:
    """A row a matrix: how its update spreads over directions."""
    spectra: Mapping[str, dict[str, Any]] = run.spectra or {}
    rows = []
    for matrix in run.report.matrices:
        found = spectra[matrix.path]
        values = " ".join(f"{value:.2g}" for value in found["singular_values"][:SHOWN_VALUES])
        more = " .." if len(found["singular_values"]) > SHOWN_VALUES else ""
        rows.append(
            [
                f"{_name_layer(matrix.stack, matrix.layer, with_stack=run.report.has_stacks)} "
                f"{_shorten(matrix.name)}",
                matrix.rank,
                found["effective_rank"],
                *(_format_share(found[f"energy_{count}"]) for count in TOPS),
                (values + more) or "-",
                _format_figure(found["orthogonality_A"], 2),
                _format_figure(found["orthogonality_B"], 2),
            ]
        )
    columns = ["matrix", "rank", "eff.", *(f"top {count}" for count in TOPS), "largest", "A", "B"]
    note = (
        "singular values of Delta W: eff.: their effective rank; top n: share of the energy in "
        "the n largest; largest: of the values; A, B: ||A A^T - I||, ||B^T B - I|| over all "
        "triplets, of svd adapters"
    )
    _print_rows(f"{run.label}: spectra", columns, rows, note=note)


def print_side_by_side(runs: "Sequence[Inspected]", correlation: "RankCorrelation") -> None:
    """A column a run, then how alike their patterns are."""
    common = set.intersection(*(set(run.report.ranks) for run in runs))
    means = [_mean_ranks(run.report, common) for run in runs]
    kinds = dict.fromkeys(kind for mean in means for kind in mean)
    rows: list[list[Any]] = [
        ["type", *(run.report.type for run in runs)],
        ["matrices", *(len(run.report.matrices) for run in runs)],
        ["triplets", *(run.report.total_rank for run in runs)],
        ["parameters", *(run.report.total_parameters for run in runs)],
        *([f"mean rank, {_shorten(kind)}", *(mean.get(kind) for mean in means)] for kind in kinds),
    ]
    labels = [run.label for run in runs]
    left_out = f"; {correlation.left_out:,} are not in all" if correlation.left_out else ""
    shared = f"over the {correlation.common:,} matrices of all runs{left_out}"
    _print_rows("side by side", ["", *labels], rows, note=f"mean ranks: {shared}")
    found = [[label, *row] for label, row in zip(labels, correlation.rows(), strict=True)]
    note = f"Spearman's rho {shared}"
    _print_rows("rank correlation", ["", *labels], found, note=note)


def _mean_ranks(report: "RankReport", paths: Collection[str]) -> dict[str, float]:
    """Kind -> mean rank of those of its matrices that are among the paths."""
    kinds = {path: kind for path, kind in report.kinds.items() if path in paths}
    return mean_by_kind(report.ranks, kinds)


def _open_table(title: str) -> Table:
    """Without rules, so that a layer's row fits a terminal of 80 columns."""
    return Table(
        title=Text(title, overflow="fold"),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
    )


def _print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, note: str = ""
) -> None:
    """A table whose first column is text and whose others are set right, and what it means."""
    table = _open_table(title)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(format_value(value)) for value in row))
    console = open_console()
    console.print(table)
    console.print(f"{note}\n" if note else "", style="dim", highlight=False, markup=False)


def _draw_cell(rank: int | None, r: int) -> Align | Text:
    if rank is None:
        return Text("-", justify="center")
    colour = colour_at(rank / max(r, 1))
    number = Text(str(rank), style=f"{letters_on(colour)} on {colour}")
    return Align.center(number, style=f"on {colour}")


def _print_scale(console: Console, r: int) -> None:
    """What the colours say, where there are any."""
    if console.color_system is None or console.no_color:
        return
    scale = Text("rank 0 ")
    for step in range(SCALE_STEPS + 1):
        scale.append("  ", style=f"on {colour_at(step / SCALE_STEPS)}")
    console.print(scale.append(f" {r}"), highlight=False)


def _format_figure(value: float | None, digits: int) -> str | None:
    """So many digits, however small."""
    return None if value is None else f"{value:.{digits}g}"


def _format_share(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f} %"


def _name_layer(stack: str, layer: int | None, *, with_stack: bool) -> str:
    if layer is None:
        return "-"
    return f"{stack}.{layer}" if with_stack else str(layer)


def _shorten(name: str) -> str:
    """`attention.self.query` -> `query`, `attention.output.dense` -> `attention.output`."""
    return name.removeprefix("attention.self.").removesuffix(".dense").removesuffix("_proj")
