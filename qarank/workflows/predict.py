"""qarank predict: a run's answers to questions that have no gold answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from qarank.config.schema import EvalConfig
from qarank.engine.progress import ProgressBar
from qarank.squad.examples import Example
from qarank.squad.features import build_features
from qarank.squad.nbest import Candidate
from qarank.squad.postprocess import Decoded
from qarank.workflows.saved_model import OpenedRun, choose_threshold, open_run
from qarank.workflows.scoring import read_answers

FEWEST_KEPT = 2  # the best span and "no answer", whichever of them the threshold picks


class Prediction(TypedDict):
    """The answer to one question; answer == context[start:end], and -1 twice is "no answer"."""

    id: str
    question: str
    answer: str
    is_impossible: bool
    probability: float
    start: int
    end: int
    null_odds: NotRequired[float]
    nbest: NotRequired[list[Candidate]]


def predict_answers(
    path: Path,
    examples: Sequence[Example],
    *,
    precision: str | None = None,
    null_threshold: float | None = None,
    n_best: int = 1,
    show_progress: bool = False,
) -> list[Prediction]:
    """Answer questions as qarank eval does: one way from windows to answers.

    Args:
        path: a run folder (its best checkpoint counts) or a checkpoint folder.
        examples: at least one, ids unique; contexts of any length.
        precision: fp32, bf16, fp16 or auto; None takes the recipe's.
        null_threshold: score difference (logits) above which there is no answer; None takes the
            checkpoint's: the recipe's, or the one tuned for it.
        n_best: candidates listed a question; 1 lists none besides the answer.
        show_progress: draw a bar where stderr is a terminal.

    Returns:
        One prediction an example, in their order.

    Raises:
        DataError: a null_threshold is given for a run that always answers.
    """
    opened = open_run(path, precision=precision)
    with_null = bool(opened.saved.run_dir.read_run().get("version_2_with_negative"))
    threshold = choose_threshold(opened.saved, null_threshold, with_null=with_null)
    settings = choose_settings(opened.saved.recipe.eval, n_best)
    decoded = _answer(opened, examples, settings, threshold, show_progress=show_progress)
    return list_predictions(examples, decoded, n_best=n_best)


def choose_settings(recipe: EvalConfig, n_best: int) -> EvalConfig:
    """The recipe's settings, but enough candidates are kept to be listed."""
    kept = max(recipe.n_best_size, n_best, FEWEST_KEPT)
    return recipe.model_copy(update={"n_best_size": kept})


def list_predictions(
    examples: Sequence[Example], decoded: Decoded, *, n_best: int
) -> list[Prediction]:
    """A prediction an example.

    An answer's probability is its share among the candidates kept; where null_threshold picks
    another than the best of them, it is less than the best one's.

    Args:
        examples: as they were decoded.
        decoded: their answers; FEWEST_KEPT candidates or more were kept.
        n_best: candidates listed a question; 1 lists none.
    """
    return [_describe_answer(example, decoded, n_best) for example in examples]


def _describe_answer(example: Example, decoded: Decoded, n_best: int) -> Prediction:
    answer = decoded.predictions[example.id]
    candidates = decoded.nbest[example.id]
    chosen = next(found for found in candidates if (found["start"] < 0) == (answer == ""))
    assert chosen["text"] == answer, "the best span is not among the candidates"
    prediction: Prediction = {
        "id": example.id,
        "question": example.question,
        "answer": answer,
        "is_impossible": answer == "",
        "probability": chosen["probability"],
        "start": chosen["start"],
        "end": chosen["end"],
    }
    if example.id in decoded.null_odds:
        prediction["null_odds"] = decoded.null_odds[example.id]
    if n_best > 1:
        prediction["nbest"] = candidates[:n_best]
    return prediction


def _answer(
    opened: OpenedRun,
    examples: Sequence[Example],
    settings: EvalConfig,
    null_threshold: float | None,
    *,
    show_progress: bool,
) -> Decoded:
    lengths = opened.saved.recipe.data
    table = build_features(
        examples,
        opened.tokenizer,
        max_seq_length=lengths.max_seq_length,
        doc_stride=lengths.doc_stride,
    )
    with ProgressBar("predict", len(table), shown=show_progress) as bar:
        return read_answers(
            opened.reader,
            examples,
            table,
            settings,
            null_threshold=null_threshold,
            on_batch=bar.advance,
        )
