"""qarank eval: score a run, or any predictions file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qarank.cli.options import (
    JsonOption,
    PrecisionOption,
    QuietOption,
    VerboseOption,
    set_verbosity,
)
from qarank.cli.render import format_metrics, print_facts, print_json
from qarank.errors import DataError

RunOption = Annotated[
    Path | None, typer.Argument(help="Run or checkpoint folder.", show_default=False)
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


def evaluate(
    run: RunOption = None,
    data: DataOption = None,
    predictions: PredictionsOption = None,
    na_prob: NaProbOption = None,
    na_prob_thresh: ThresholdOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """EM and F1 as the official SQuAD script computes them.

    Examples: qarank eval runs/quickstart/adalora

    qarank eval --predictions P.json --data dev-v2.0.json --na-prob null_odds.json --json
    """
    set_verbosity(quiet=quiet, verbose=verbose)
    _check_arguments(run, data, predictions)
    of_file = {"--na-prob": na_prob, "--na-prob-thresh": na_prob_thresh}
    if predictions is not None and na_prob_thresh is not None and na_prob is None:
        raise DataError("--na-prob-thresh needs --na-prob, the scores it cuts")
    _refuse_idle(of_file if run is not None else {"--precision": precision})
    if predictions is not None:
        assert data is not None  # checked
        threshold = 1.0 if na_prob_thresh is None else na_prob_thresh
        report = _score_file(predictions, data, na_prob, threshold, quiet=quiet)
        if as_json:
            print_json(report)
        else:
            print_facts(f"{predictions} on {data}", report)
        return
    assert run is not None  # checked
    from qarank.workflows.evaluate import evaluate_run

    report = evaluate_run(run, data=data, precision=precision, show_progress=not quiet)
    if as_json:
        print_json(report)
        return
    facts = {
        **format_metrics(report["metrics"]),
        "features a second": report["features_per_s"],
        "files": report["files"],
    }
    print_facts(f"{report['checkpoint']} on {report['data']}", facts)


def _check_arguments(run: Path | None, data: Path | None, predictions: Path | None) -> None:
    if (run is None) == (predictions is None):
        raise DataError("give either a RUN, or --predictions with --data")
    if predictions is not None and data is None:
        raise DataError("--predictions needs --data, the SQuAD file they answer")


def _refuse_idle(options: dict[str, Any]) -> None:
    """An option that would do nothing is a mistake."""
    for option, value in options.items():
        if value is not None:
            other = "a RUN" if option == "--precision" else "--predictions"
            raise DataError(f"{option} goes with {other} only")


def _score_file(
    predictions: Path, data: Path, na_prob: Path | None, na_prob_thresh: float, *, quiet: bool
) -> dict[str, Any]:
    from qarank.workflows.score_file import score_file

    metrics, num_missing = score_file(
        predictions, data, na_prob=na_prob, na_prob_thresh=na_prob_thresh
    )
    if num_missing and not quiet:
        typer.echo(f"qarank: {num_missing} questions have no prediction", err=True)
    return metrics
