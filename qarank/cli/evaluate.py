"""qarank eval: score a run, or any predictions file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qarank.cli.options import (
    PRECISIONS,
    JsonOption,
    NullThresholdOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    VerboseOption,
    check_choice,
    check_threshold,
    set_verbosity,
)
from qarank.cli.render import format_metrics, print_json
from qarank.cli.score_table import print_against, print_curve, print_scores
from qarank.errors import DataError

if TYPE_CHECKING:
    from qarank.workflows.compare import Certainty

DEFAULT_RESAMPLES = 10_000  # a tenth of a second for SQuAD's dev set

RunOption = Annotated[
    Path | None,
    typer.Argument(
        help="Run folder, checkpoint, or a folder that PEFT or transformers open.",
        show_default=False,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        help="SQuAD's JSON, records, CSV or Parquet; default: the recipe's.", show_default=False
    ),
]
PredictionsOption = Annotated[
    Path | None,
    typer.Option(help="Score this {id: answer} file; needs --data, no RUN.", show_default=False),
]
NaProbOption = Annotated[
    Path | None,
    typer.Option(help="{id: no-answer score}, with --predictions.", show_default=False),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="With --na-prob: score above which an answer counts as none; default 1.0.",
        show_default=False,
    ),
]
AgainstOption = Annotated[
    Path | None,
    typer.Option(
        help="Compare with this answer file, this run's answers to the same data, or a folder that"
        " --output wrote.",
        show_default=False,
    ),
]
BootstrapOption = Annotated[
    int, typer.Option(help="Resamples for intervals and comparison; 0: none.", metavar="N")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder for answers and figures; default: beside the run, but with --null-threshold"
        " nowhere.",
        show_default=False,
    ),
]
BudgetsOption = Annotated[
    str | None,
    typer.Option(
        help="Score the adapter cut to each of these ranks in all, as 72,144,288; nothing is "
        "trained.",
        metavar="N,N,...",
        show_default=False,
    ),
]
CompatOption = Annotated[
    str | None,
    typer.Option(
        help="run_qa: answer as that script does, and write its files (without eval_).",
        show_default=False,
    ),
]


def evaluate(
    run: RunOption = None,
    data: DataOption = None,
    predictions: PredictionsOption = None,
    na_prob: NaProbOption = None,
    na_prob_thresh: ThresholdOption = None,
    against: AgainstOption = None,
    bootstrap: BootstrapOption = DEFAULT_RESAMPLES,
    compat: CompatOption = None,
    null_threshold: NullThresholdOption = None,
    output: OutputOption = None,
    budgets: BudgetsOption = None,
    overwrite: OverwriteOption = False,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """EM and F1 as the official SQuAD script computes them.

    Examples: qarank eval runs/quickstart/adalora

    qarank eval --predictions P.json --data dev-v2.0.json --na-prob null_odds.json --json

    qarank eval --predictions A.json --against B.json --data dev-v2.0.json
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    check_choice("--precision", precision, PRECISIONS)
    check_threshold(null_threshold)
    _check_arguments(run, data, predictions)
    of_file = {"--na-prob": na_prob, "--na-prob-thresh": na_prob_thresh}
    of_run = {"--precision": precision, "--null-threshold": null_threshold, "--budgets": budgets}
    of_one = {"--compat": compat, "--output": output, "--overwrite": overwrite or None}
    if run is None:
        _refuse_idle({**of_run, **of_one}, "a RUN")
        assert predictions is not None and data is not None  # checked
        wanted = _read_certainty(bootstrap, against)
        report = _score_file(predictions, data, na_prob, na_prob_thresh, wanted, quiet=quiet)
        _print_report(report, as_json=as_json, show=_show_file_scores(f"{predictions} on {data}"))
        return
    _refuse_idle(of_file, "--predictions")
    common = {"data": data, "precision": precision, "null_threshold": null_threshold}
    shown = {**common, "show_progress": not quiet}
    if budgets is not None:
        _refuse_idle({**of_one, "--against": against}, "one evaluation, without --budgets,")
        _print_report(_score_curve(run, budgets, **shown), as_json=as_json, show=print_curve)
        return
    wanted = _read_certainty(bootstrap, against)
    more = {"compat": compat, "output": output, "overwrite": overwrite, "wanted": wanted}
    _print_report(_score_run(run, **shown, **more), as_json=as_json, show=_show_run_scores)


def _score_run(run: Path, **options: Any) -> dict[str, Any]:
    from qarank.workflows.evaluate import evaluate_run

    return evaluate_run(run, **options)


def _read_certainty(bootstrap: int, against: Path | None) -> "Certainty":
    from qarank.workflows.compare import Certainty

    return Certainty(resamples=bootstrap, against=against)


def _score_curve(run: Path, budgets: str, **options: Any) -> dict[str, Any]:
    asked = _read_budgets(budgets)
    from qarank.workflows.rank_curve import score_budgets

    return score_budgets(run, asked, **options)


def _read_budgets(text: str) -> list[int]:
    """72,144 -> [72, 144].

    Raises:
        DataError: a part is no whole number.
    """
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isdecimal():
            raise DataError(f"--budgets is {text}; it must be whole numbers, as 72,144,288")
    return [int(part) for part in parts]


def _check_arguments(run: Path | None, data: Path | None, predictions: Path | None) -> None:
    if (run is None) == (predictions is None):
        raise DataError("give either a RUN, or --predictions with --data")
    if predictions is not None and data is None:
        raise DataError("--predictions needs --data, the SQuAD file they answer")


def _refuse_idle(options: dict[str, Any], other: str) -> None:
    """An option that would do nothing is a mistake."""
    for option, value in options.items():
        if value is not None:
            raise DataError(f"{option} goes with {other} only")


def _score_file(
    predictions: Path,
    data: Path,
    na_prob: Path | None,
    na_prob_thresh: float | None,
    wanted: "Certainty",
    *,
    quiet: bool,
) -> dict[str, Any]:
    if na_prob_thresh is not None and na_prob is None:
        raise DataError("--na-prob-thresh needs --na-prob, the scores it cuts")
    from qarank.workflows.score_file import score_file

    threshold = 1.0 if na_prob_thresh is None else na_prob_thresh
    metrics, num_missing = score_file(
        predictions, data, na_prob=na_prob, na_prob_thresh=threshold, wanted=wanted
    )
    if num_missing and not quiet:
        typer.echo(f"qarank: {num_missing} questions have no prediction", err=True)
    return metrics


def _print_report(
    report: dict[str, Any], *, as_json: bool, show: Callable[[dict[str, Any]], None]
) -> None:
    if as_json:
        print_json(report)
        return
    show(report)
    if "against" in report:
        print_against(report["against"])


def _show_file_scores(title: str) -> Callable[[dict[str, Any]], None]:
    def show(report: dict[str, Any]) -> None:
        metrics = {key: value for key, value in report.items() if key != "against"}
        print_scores(title, metrics, {})

    return show


def _show_run_scores(report: dict[str, Any]) -> None:
    more = {"features a second": report["features_per_s"], "files": report["files"]}
    title = f"{report['checkpoint']} on {report['data']}"
    print_scores(title, report["metrics"], more, name=format_metrics)
