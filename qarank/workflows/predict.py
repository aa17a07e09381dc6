"""qarank predict: a run's answers to questions that have no gold answers."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from qarank.config.schema import EvalConfig
from qarank.engine.progress import ProgressBar
from qarank.errors import DataError
from qarank.squad.contexts import Question, cut_questions, join_contexts
from qarank.squad.features import FeatureBuilder
from qarank.squad.question_file import Askable, take_questions
from qarank.workflows.predictions import FEWEST_KEPT, Prediction, list_predictions
from qarank.workflows.saved_model import OpenedModel, open_model
from qarank.workflows.scoring import read_answers

# Features and candidates are held of so much at a time. It is more than the usual data sets have,
# so that these go through the model in the very batches of an evaluation.
QUESTIONS_AT_ONCE = 16_384
CHARS_AT_ONCE = 2**25


class QAPredictor:
    """A run's model, loaded once, that answers as often as it is asked.

    It answers as qarank eval does, whatever the length of a context. Several contexts for one
    question compete as the parts of one long context would: the best answer over all counts.

    >>> predictor = QAPredictor.open("runs/quickstart/adalora")
    >>> found = predictor(question="Where?", context="Rain fell on Oslo.")
    >>> found["answer"], found["start"], found["end"]
    ('Oslo', 13, 17)
    >>> found = predictor(question="Where?", context=["Rain fell.", "Rain fell on Oslo."])
    >>> found["answer"], found["context"]
    ('Oslo', 1)
    >>> questions = [
    ...     {"id": "a", "question": "Where?", "context": "Rain fell on Rome."},
    ...     {"id": "b", "question": "Where?", "contexts": ["Rain fell.", "Rain fell on Oslo."]},
    ... ]
    >>> [found["answer"] for found in predictor.answer(questions)]
    ['Rome', 'Oslo']

    Args:
        opened: the run.
        null_threshold: score difference (logits) above which there is no answer; None: there
            always is one.
    """

    def __init__(self, opened: OpenedModel, null_threshold: float | None) -> None:
        self.opened, self.null_threshold = opened, null_threshold
        self.builder = FeatureBuilder(
            opened.tokenizer,
            max_seq_length=opened.manner.max_seq_length,
            doc_stride=opened.manner.doc_stride,
        )

    @classmethod
    def open(
        cls,
        path: str | Path,
        precision: str | None = None,
        null_threshold: float | None = None,
    ) -> "QAPredictor":
        """Load the model of a run.

        Args:
            path: a run folder (its best checkpoint counts), a checkpoint, a PEFT adapter, or a
                model with a question-answering head.
            precision: fp32, bf16, fp16 or auto; None takes the recipe's, fp32 where there is none.
            null_threshold: score difference (logits) above which there is no answer; None takes
                the checkpoint's: the recipe's, or the one tuned for it.

        Raises:
            RunDirError, CheckpointError: there is no such model, or it is damaged.
            RecipeError: no such precision, or not here.
            DataError: a null_threshold that is NaN, or given for a run that always answers.
        """
        if null_threshold is not None and math.isnan(null_threshold):
            raise DataError("null_threshold is not a number; it must be one, inf and -inf included")
        opened = open_model(Path(path), precision=precision)
        with_null = opened.manner.version_2_with_negative is not False
        threshold = opened.manner.choose_threshold(
            null_threshold, with_null=with_null, of=opened.folder
        )
        return cls(opened, threshold)

    def __call__(
        self, *, question: str, context: str | Sequence[str], n_best: int = 1
    ) -> Prediction:
        """Answer one question, about one context or several; as `answer`."""
        is_list = isinstance(context, Sequence) and not isinstance(context, str)
        contexts = list(context) if is_list else [context]
        return self.answer([{"question": question, "contexts": contexts}], n_best=n_best)[0]

    def answer(
        self, questions: Iterable[Askable], *, n_best: int = 1, show_progress: bool = False
    ) -> list[Prediction]:
        """Answer questions, all checked before the first is read.

        Beside the questions and their answers, memory holds only what is made of some at a time.

        Args:
            questions: any number; {"question", "context" or "contexts", "id"?} each, numbered
                from 0 where they have no id, or examples.
            n_best: candidates listed a question; 1 lists none besides the answer.
            show_progress: draw a bar where stderr is a terminal.

        Returns:
            One prediction a question, in their order.

        Raises:
            DataError: a question is wrong, two have one id, or n_best is below 1.
        """
        if n_best < 1:
            raise DataError(f"n_best is {n_best}; it must be 1 or more")
        asked = take_questions(questions)
        found: list[Prediction] = []
        with ProgressBar("predict", len(asked), shown=show_progress) as bar:
            for some in cut_questions(
                asked, max_questions=QUESTIONS_AT_ONCE, max_chars=CHARS_AT_ONCE
            ):
                found += self._answer_some(some, n_best, bar.advance)
        return found

    def _answer_some(
        self, questions: Sequence[Question], n_best: int, advance: Callable[[int], None]
    ) -> list[Prediction]:
        joined = join_contexts(questions)
        apart = self.builder.build(joined.pairs)
        decoded = read_answers(
            self.opened.reader,
            joined.examples,
            joined.join_windows(apart),
            choose_settings(self.opened.settings, n_best),
            null_threshold=self.null_threshold,
            on_batch=count_questions(advance, len(apart), len(questions)),
        )
        return list_predictions(questions, decoded, n_best=n_best)


def predict_answers(
    path: Path,
    questions: Iterable[Askable],
    *,
    precision: str | None = None,
    null_threshold: float | None = None,
    n_best: int = 1,
    show_progress: bool = False,
) -> list[Prediction]:
    """Answer questions with a run; arguments and errors as QAPredictor's."""
    asked = take_questions(questions)  # before a model is loaded for them
    predictor = QAPredictor.open(path, precision, null_threshold)
    return predictor.answer(asked, n_best=n_best, show_progress=show_progress)


def choose_settings(recipe: EvalConfig, n_best: int) -> EvalConfig:
    """The recipe's settings, but enough candidates are kept to be listed."""
    kept = max(recipe.n_best_size, n_best, FEWEST_KEPT)
    return recipe.model_copy(update={"n_best_size": kept})


def count_questions(
    advance: Callable[[int], None], num_features: int, num_questions: int
) -> Callable[[int], None]:
    """A listener that is told features done and tells questions done, as if all had as many.

    Args:
        advance: is told questions; num_questions in all, once all features are done.
        num_features: there are.
        num_questions: there are.
    """
    done = 0

    def on_batch(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        advance(done * num_questions // num_features - before * num_questions // num_features)

    return on_batch
