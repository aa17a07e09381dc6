"""qarank eval: a run's EM and F1, or those of any predictions file."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qarank.artifacts.evaluation import (
    check_evaluation_folder,
    write_evaluation,
    write_run_qa_evaluation,
)
from qarank.config.data_schema import Location
from qarank.engine.progress import ProgressBar
from qarank.errors import DataError
from qarank.squad.columns import Columns
from qarank.squad.metric import question_scores_v1, question_scores_v2, score_v1, score_v2
from qarank.squad.source_names import name_file
from qarank.squad.text_file import require_file
from qarank.workflows.compare import (
    PLAIN,
    Certainty,
    list_comparison,
    list_intervals,
    read_others,
)
from qarank.workflows.data import Part, check_answerable, load_evaluation_part, tell_notes
from qarank.workflows.run_qa import answer_as_run_qa
from qarank.workflows.saved_model import OpenedModel, open_model
from qarank.workflows.scoring import evaluate_reader

RUN_QA = "run_qa"  # the one thing an evaluation can be compatible with


@dataclass(frozen=True)
class _Answers:
    """What came of an evaluation: its figures, its answers, and how their files are written."""

    metrics: dict[str, Any]
    predictions: Mapping[str, str]
    with_null: bool
    seconds: float
    write: Callable[[Path, Mapping[str, Any]], None]  # folder, metrics


def evaluate_run(
    path: Path,
    *,
    data: Path | None,
    precision: str | None,
    show_progress: bool,
    compat: str | None = None,
    null_threshold: float | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    wanted: Certainty = PLAIN,
) -> dict[str, Any]:
    """Score a model, and write its answers beside the run it is of.

    Args:
        path: a run folder (its best checkpoint counts), a checkpoint, a PEFT adapter, or a model
            with a question-answering head.
        data: a file of any known kind; None takes the recipe's evaluation data.
        precision: fp32, bf16, fp16 or auto; None takes the recipe's.
        show_progress: draw a bar where stderr is a terminal.
        compat: "run_qa" answers as that script does and writes its files, in a folder of their own.
        null_threshold: score difference (logits) above which there is no answer; None takes the
            checkpoint's: the recipe's, or the one tuned for it.
        output: folder for the files; None puts those of a run beside it, and writes none of
            another model's, nor of answers chosen otherwise than the run's own.
        overwrite: replace what an evaluation left in `output`.
        wanted: intervals of the figures, and other answers to compare with.

    Returns:
        What `qarank eval --json` prints. In metrics, `ci95` is {figure: [low, high]}, per cent;
        `against`, where there are others, is as `compare_scores` gives it.

    Raises:
        DataError: nothing names evaluation data, or there is nothing to compare with, or a
            threshold is given where every question has an answer.
    """
    wanted.check()
    _check_asked(data, compat, output, overwrite=overwrite)
    opened = open_model(path, precision=precision)
    part = load_part(path, opened, data)
    tell_notes(part)
    others = read_others(wanted, part.label)
    threshold = opened.manner.choose_threshold(
        null_threshold, with_null=allows_null(opened, part), of=opened.folder
    )
    found = _answer_all(opened, part, threshold, compat, is_shown=show_progress)
    label = part.label if compat is None else f"{part.label}-{compat}"
    folder = output or (_find_own_folder(opened, label) if null_threshold is None else None)
    metrics, compared = _weigh(found, part, others, wanted)
    if folder is not None:
        found.write(folder, metrics)
    return {
        "checkpoint": str(opened.folder),
        "data": label,
        "metrics": metrics,
        **compared,
        "features": len(part.table),
        "features_per_s": len(part.table) / found.seconds,
        "files": None if folder is None else str(folder),
    }


def _answer_all(
    opened: OpenedModel, part: Part, threshold: float | None, compat: str | None, *, is_shown: bool
) -> _Answers:
    """Every question's answer, with a bar where it is to be shown."""
    answer = _answer if compat is None else _answer_as_run_qa
    with ProgressBar("evaluate", len(part.table), shown=is_shown) as bar:
        return answer(opened, part, threshold, bar.advance)


def _find_own_folder(opened: OpenedModel, label: str) -> Path | None:
    """Where a run keeps the evaluations of its checkpoint; another model has no such place."""
    run = opened.run
    return None if run is None else run.run_dir.eval_dir(opened.folder.name, label)


def _check_asked(
    data: Path | None, compat: str | None, output: Path | None, *, overwrite: bool
) -> None:
    """Refuse, before a model is loaded, what cannot be done."""
    if compat not in (None, RUN_QA):
        raise DataError(f"--compat is {compat!r}; allowed is {RUN_QA}")
    if data is not None:
        require_file(data)
    if output is not None:
        check_evaluation_folder(output, overwrite=overwrite)
    elif overwrite:
        raise DataError("--overwrite goes with --output only")


def load_part(path: Path, opened: OpenedModel, data: Path | None) -> Part:
    """What a model is scored on: a file, or else its recipe's evaluation data.

    Raises:
        DataError: nothing names any.
    """
    named = None if opened.run is None else opened.run.recipe.data
    location: Location | None = None
    limit = None
    if data is not None:
        location = name_file(data), "validation"  # a file that is named is scored whole
    elif named is not None:
        location, limit = named.validation_location, named.max_eval_examples
    if location is None:
        why = "it is no run" if named is None else "its recipe names no evaluation data"
        raise DataError(f"{path}: {why}; give --data FILE")
    # A file's columns may have the recipe's names, or SQuAD's own.
    mapping = {} if named is None else named.column_mapping
    columns = Columns(mapping, where_there=data is not None)
    return load_evaluation_part(
        *location, lengths=opened.manner, tokenizer=opened.tokenizer, columns=columns, limit=limit
    )


def _weigh(
    found: _Answers, part: Part, others: Mapping[str, str] | None, wanted: Certainty
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures with their intervals, and how they compare with the others'."""
    gold = {example.id: example.answers for example in part.examples}
    score = question_scores_v2 if found.with_null else question_scores_v1
    scores = score(gold, found.predictions)
    metrics = found.metrics | list_intervals(scores, gold, wanted, is_v2=found.with_null)
    return metrics, list_comparison(scores, gold, others, wanted, is_v2=found.with_null)


def allows_null(opened: OpenedModel, part: Part) -> bool:
    """Whether "no answer" is an answer: as the model was trained, or as the data shows.

    Raises:
        DataError: the run's recipe rules out what the data has.
    """
    if opened.manner.version_2_with_negative:
        return True
    if opened.run is not None:
        check_answerable(opened.run.recipe.data, part)
    return any(example.is_impossible for example in part.examples)


def _answer(
    opened: OpenedModel,
    part: Part,
    null_threshold: float | None,
    on_batch: Callable[[int], None],
) -> _Answers:
    found = evaluate_reader(
        opened.reader,
        part.examples,
        part.table,
        opened.settings,
        null_threshold=null_threshold,
        on_batch=on_batch,
    )
    decoded = found.decoded

    def write(folder: Path, metrics: Mapping[str, Any]) -> None:
        write_evaluation(
            folder,
            metrics=metrics,
            predictions=decoded.predictions,
            nbest_json=decoded.nbest_json,
            null_odds=decoded.null_odds,
        )

    with_null = null_threshold is not None
    return _Answers(found.metrics, decoded.predictions, with_null, found.seconds, write)


def _answer_as_run_qa(
    opened: OpenedModel,
    part: Part,
    null_threshold: float | None,
    on_batch: Callable[[int], None],
) -> _Answers:
    """The best_* figures are left out: what run_qa gives as such is not any threshold's."""
    started = time.perf_counter()
    found = answer_as_run_qa(
        opened.reader,
        part.examples,
        part.table,
        opened.tokenizer,
        opened.manner,
        opened.settings,
        null_threshold=null_threshold,
        on_batch=on_batch,
    )
    seconds = time.perf_counter() - started
    gold = {example.id: example.answers for example in part.examples}
    with_null = null_threshold is not None
    metrics = dict((score_v2 if with_null else score_v1)(gold, found.predictions))

    def write(folder: Path, metrics: Mapping[str, Any]) -> None:
        write_run_qa_evaluation(
            folder,
            metrics=metrics,
            predictions=found.predictions,
            nbest=found.nbest,
            null_odds=found.null_odds,
        )

    return _Answers(metrics, found.predictions, with_null, seconds, write)
