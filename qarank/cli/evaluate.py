"""qarank eval: score a run, or any predictions file."""

from pathlib import Path
from typing import Annotated

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
    typer.Option(help="SQuAD JSON, plain or .gz; default: the recipe's.", show_default=False),
]
PredictionsOption = Annotated[
    Path | None,
    typer.Option(help="Score this {id: answer} file; needs --data, no RUN.", show_default=False),
]
NaProbOption = Annotated[
    Path | None,
    typer.Option(help="{id: no-answer score}, with --predictions.", show_default=False),
]


def evaluate(
    run: RunOption = None,
    data: DataOption = None,
    predictions: PredictionsOption = None,
    na_prob: NaProbOption = None,
    na_prob_thresh: Annotated[
        float, typer.Option(help="No-answer score above which an answer counts as none.")
    ] = 1.0,
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
    _check_arguments(run, data, predictions, na_prob)
    if predictions is not None:
        assert data is not None  # checked
        _score_file(predictions, data, na_prob, na_prob_thresh, as_json=as_json)
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


def _check_arguments(
    run: Path | None, data: Path | None, predictions: Path | None, na_prob: Path | None
) -> None:
    if (run is None) == (predictions is None):
        raise DataError("give either a RUN, or --predictions with --data")
    if predictions is not None and data is None:
        raise DataError("--predictions needs --data, the SQuAD file they answer")
    if predictions is None and na_prob is not None:
        raise DataError("--na-prob goes with --predictions; a RUN has scores of its own")


def _score_file(
    predictions: Path, data: Path, na_prob: Path | None, na_prob_thresh: float, *, as_json: bool
) -> None:
    from qarank.workflows.score_file import score_file

    metrics, num_missing = score_file(
        predictions, data, na_prob=na_prob, na_prob_thresh=na_prob_thresh
    )
    if num_missing:
        typer.echo(f"qarank: {num_missing} questions have no prediction", err=True)
    if as_json:
        print_json(metrics)
    else:
        print_facts(f"{predictions} on {data}", metrics)
