"""qarank eval: a run's EM and F1, or those of any predictions file."""

from pathlib import Path
from typing import Any

from qarank.artifacts.evaluation import write_evaluation
from qarank.engine.progress import ProgressBar
from qarank.errors import DataError
from qarank.squad.columns import Columns
from qarank.squad.source_names import name_file
from qarank.squad.text_file import require_file
from qarank.workflows.data import allows_no_answer, load_evaluation_part
from qarank.workflows.saved_model import OpenedRun, open_run
from qarank.workflows.scoring import evaluate_reader


def evaluate_run(
    path: Path, *, data: Path | None, precision: str | None, show_progress: bool
) -> dict[str, Any]:
    """Score a run or checkpoint, and write the answers beside it.

    Args:
        path: a run folder (its best checkpoint counts) or a checkpoint folder.
        data: a file of any known kind; None takes the recipe's evaluation data.
        precision: fp32, bf16, fp16 or auto; None takes the recipe's.
        show_progress: draw a bar where stderr is a terminal.

    Raises:
        DataError: the recipe names no evaluation data, and none is given.
    """
    if data is not None:
        require_file(data)
    opened = open_run(path, precision=precision)
    recipe = opened.saved.recipe
    location = recipe.data.validation_location if data is None else (name_file(data), "validation")
    if location is None:
        raise DataError(f"{path}: its recipe names no evaluation data; give --data FILE")
    # A file that is named is scored whole; the recipe's limit is of its own data.
    limit = recipe.data.max_eval_examples if data is None else None
    # Its columns may have the recipe's names, or SQuAD's own.
    columns = Columns(recipe.data.column_mapping, where_there=data is not None)
    part = load_evaluation_part(
        *location, recipe=recipe, tokenizer=opened.tokenizer, columns=columns, limit=limit
    )
    with_null = _allows_no_answer(opened) or allows_no_answer(recipe.data, part.examples)
    with ProgressBar("evaluate", len(part.table), shown=show_progress) as bar:
        found = evaluate_reader(
            opened.reader,
            part.examples,
            part.table,
            recipe.eval,
            with_null=with_null,
            on_batch=bar.advance,
        )
    folder = opened.saved.run_dir.eval_dir(opened.saved.checkpoint.name, part.label)
    write_evaluation(
        folder,
        metrics=found.metrics,
        predictions=found.decoded.predictions,
        nbest=found.decoded.nbest,
        null_odds=found.decoded.null_odds,
    )
    return {
        "checkpoint": str(opened.saved.checkpoint),
        "data": part.label,
        "metrics": found.metrics,
        "features": found.num_features,
        "features_per_s": found.num_features / found.seconds,
        "files": str(folder),
    }


def _allows_no_answer(opened: OpenedRun) -> bool:
    return bool(opened.saved.run_dir.read_run().get("version_2_with_negative"))
