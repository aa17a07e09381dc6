"""How a model reads questions and chooses answers: what it was trained to, whoever opens it.

A checkpoint and a merged model carry it as answering.json, so that they answer alike wherever they
are copied; a folder without that file is read as Hugging Face's run_qa would by default.
"""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from qarank.artifacts.atomic import read_json, write_json
from qarank.artifacts.names import ANSWERING
from qarank.config.schema import EvalConfig, Recipe
from qarank.errors import CheckpointError, DataError


@dataclass(frozen=True)
class Manner:
    """How questions are cut into windows, and their answers chosen.

    Attributes:
        max_seq_length: tokens of a window, at most.
        doc_stride: tokens two windows share.
        n_best_size: candidates kept.
        max_answer_length: tokens of an answer, at most.
        null_threshold: score difference (logits) above which there is no answer; None where it was
            to be tuned, and has not been.
        version_2_with_negative: whether "no answer" is an answer; None: nobody says.
    """

    max_seq_length: int = 384
    doc_stride: int = 128
    n_best_size: int = 20
    max_answer_length: int = 30
    null_threshold: float | None = 0.0
    version_2_with_negative: bool | None = None

    @classmethod
    def of_recipe(
        cls, recipe: Recipe, *, null_threshold: float | None, with_null: bool
    ) -> "Manner":
        """What a recipe says, with the threshold of one of its checkpoints."""
        return cls(
            max_seq_length=recipe.data.max_seq_length,
            doc_stride=recipe.data.doc_stride,
            n_best_size=recipe.eval.n_best_size,
            max_answer_length=recipe.eval.max_answer_length,
            null_threshold=null_threshold,
            version_2_with_negative=with_null,
        )

    @classmethod
    def of_folder(cls, folder: Path, *, num_positions: int | None = None) -> "Manner":
        """What a folder's answering.json says; the defaults where there is none.

        Args:
            folder: of a model.
            num_positions: tokens that the model takes at most; None: any number.

        Raises:
            CheckpointError: the file is there and cannot be read, or says what the model cannot do.
        """
        path = folder / ANSWERING
        if not path.is_file():
            longest = min(cls.max_seq_length, num_positions or cls.max_seq_length)
            return cls(max_seq_length=longest, doc_stride=min(cls.doc_stride, longest // 3))
        try:
            values: dict[str, Any] = read_json(path)
            found = cls(**{field.name: values[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} cannot be read as how a model answers") from error
        fault = found.find_fault(num_positions)
        if fault is not None:
            raise CheckpointError(f"{path}: {fault}")
        return found

    def find_fault(self, num_positions: int | None = None) -> str | None:
        """What in it cannot be, in words."""
        counts = ("max_seq_length", "doc_stride", "n_best_size", "max_answer_length")
        for name in counts:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                return f"{name} is {value!r}; it must be a whole number, 1 or more"
        threshold = self.null_threshold
        if threshold is not None and (
            not isinstance(threshold, int | float) or math.isnan(threshold)
        ):
            return f"null_threshold is {threshold!r}; it must be a number or null"
        if not isinstance(self.version_2_with_negative, bool | None):
            return f"version_2_with_negative is {self.version_2_with_negative!r}; true or false"
        if num_positions is not None and self.max_seq_length > num_positions:
            return (
                f"max_seq_length is {self.max_seq_length}; the model has {num_positions} positions"
            )
        return None

    def write(self, folder: Path) -> None:
        """Into a folder's answering.json."""
        write_json(folder / ANSWERING, asdict(self))

    def eval_settings(self) -> EvalConfig:
        """As evaluations take them; batches of the default size."""
        return EvalConfig(n_best_size=self.n_best_size, max_answer_length=self.max_answer_length)

    def choose_threshold(self, asked: float | None, *, with_null: bool, of: Path) -> float | None:
        """The null threshold to answer with; None where every question has an answer.

        Args:
            asked: by the user; None takes the model's own.
            with_null: whether "no answer" is allowed.
            of: the model's folder, for messages.

        Raises:
            DataError: one is asked for where it decides nothing.
            CheckpointError: the model's own was never tuned.
        """
        if not with_null:
            if asked is not None:
                raise DataError(
                    f"{of}: every question is to be answered here, so a null threshold decides "
                    "nothing; leave it out"
                )
            return None
        if asked is not None:
            return asked
        if self.null_threshold is None:
            raise CheckpointError(
                f"{of} was saved out of turn, before its null threshold was tuned; give"
                " --null-threshold, or go on with the run"
            )
        return self.null_threshold
