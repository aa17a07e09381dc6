"""The section of a recipe about data: where questions come from, and how they become features."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from qarank.config import checks
from qarank.config.fields import DropRate, Section, Text, Texts

Location = tuple[str | list[str], str]  # a source, and the split of it


class ColumnsConfig(Section):
    """What the columns, or keys, of data files are called where not as here."""

    id: Text | None = Field(None, description="Column of the question's id, text.")
    question: Text | None = Field(None, description="Column of the question.")
    context: Text | None = Field(None, description="Column of the passage.")
    answers: Text | None = Field(None, description="Column that holds texts and starts.")
    answer_text: Text | None = Field(None, description="Column of the answer's text, or texts.")
    answer_start: Text | None = Field(
        None, description="Column of its place in the passage, in characters."
    )
    is_impossible: Text | None = Field(None, description="Column of true where none answers.")
    title: Text | None = Field(None, description="Column of the article's title.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks.check_columns(self.mapping)
        return self

    @property
    def mapping(self) -> dict[str, str]:
        """Our name -> theirs, of those that are given."""
        return {key: name for key, name in self.model_dump().items() if name is not None}


class DataConfig(Section):
    """Questions, passages, and how they become features."""

    source: Text | Texts | None = Field(
        None, description="Hub name, sample:NAME, or training file(s): JSON, CSV, Parquet, ..."
    )
    train: Text | Texts | None = Field(
        None, description="Split of source (default train); without source: training file(s)."
    )
    validation: Text | Texts | None = Field(
        None, description="Split of source (default validation); otherwise evaluation file(s)."
    )
    columns: ColumnsConfig | None = Field(
        None, description="Names of your files' columns; null: SQuAD's own."
    )
    max_train_examples: PositiveInt | None = Field(None, description="Examples; null: all.")
    max_eval_examples: PositiveInt | None = Field(None, description="Examples; null: all.")
    version_2_with_negative: Literal["auto"] | bool = Field(
        "auto", description="Questions may have no answer; auto: as the data says."
    )
    max_seq_length: PositiveInt = Field(384, description="Tokens of a feature, at most.")
    doc_stride: PositiveInt = Field(128, description="Tokens two windows share.")
    threshold_share: DropRate = Field(
        0.0,
        description="Share of the training examples, by article, held out to tune the threshold.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks.check_data(self.source, self.train, self.validation)
        if self.columns is not None:
            checks.check_named_columns(self.source)
        if self.doc_stride >= self.max_seq_length:
            raise ValueError(
                f"data.doc_stride is {self.doc_stride};"
                f" it must be below data.max_seq_length, {self.max_seq_length}"
            )
        return self

    @property
    def column_mapping(self) -> dict[str, str]:
        """Our name of a column -> that of the data; empty where they are the same."""
        return {} if self.columns is None else self.columns.mapping

    @property
    def train_location(self) -> Location:
        """(source, split) of the training data, as load_examples takes them."""
        if self.source is None:
            assert self.train is not None  # check_data
            return self.train, "train"
        if checks.is_files(self.source) or not isinstance(self.train, str):
            return self.source, "train"
        return self.source, self.train

    @property
    def validation_location(self) -> Location | None:
        """(source, split) of the evaluation data; None where nothing names it."""
        if self.source is None or checks.is_files(self.source):
            return None if self.validation is None else (self.validation, "validation")
        return self.source, self.validation if isinstance(self.validation, str) else "validation"
