import pytest
from pydantic import ValidationError

from qarank.config.data_schema import ColumnsConfig, DataConfig, Location


@pytest.mark.parametrize(
    ("keys", "train", "validation"),
    [
        ({"source": "squad"}, ("squad", "train"), ("squad", "validation")),
        (
            {"source": "sample:almanac"},
            ("sample:almanac", "train"),
            ("sample:almanac", "validation"),
        ),
        (
            {"source": "squad", "train": "train[:9]", "validation": "test"},
            ("squad", "train[:9]"),
            ("squad", "test"),
        ),
        ({"train": "a.json"}, ("a.json", "train"), None),
        (
            {"train": ["a.json", "b.json.gz"], "validation": "c.json"},
            (["a.json", "b.json.gz"], "train"),
            ("c.json", "validation"),
        ),
        (
            {"source": "a.json", "validation": ["c.json"]},
            ("a.json", "train"),
            (["c.json"], "validation"),
        ),
        ({"source": ["a.json"]}, (["a.json"], "train"), None),
        (
            {"train": "a.csv", "validation": ["b.parquet", "./c"]},
            ("a.csv", "train"),
            (["b.parquet", "./c"], "validation"),
        ),
    ],
)
def test_the_data_is_found_where_its_keys_say(
    keys: dict[str, object], train: Location, validation: Location | None
) -> None:
    data = DataConfig.model_validate(keys)
    assert data.train_location == train
    assert data.validation_location == validation


def test_windows_must_advance() -> None:
    with pytest.raises(ValidationError, match="doc_stride is 9; it must be below data.max_seq_l"):
        DataConfig(source="squad", max_seq_length=9, doc_stride=9)


def test_columns_map_our_names_to_theirs() -> None:
    data = DataConfig.model_validate(
        {"train": "a.csv", "columns": {"context": "body", "answer_text": "gold", "title": None}}
    )
    assert data.column_mapping == {"context": "body", "answer_text": "gold"}
    assert DataConfig(train="a.csv").column_mapping == {}


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            {"context": "body", "question": "body"},
            "data.columns.question and data.columns.context both name body; a column is one thing",
        ),
        (
            {"answers": "gold", "answer_start": "at"},
            "data.columns.answers and data.columns.answer_start both name the answers",
        ),
    ],
)
def test_a_column_is_one_thing_and_answers_come_one_way(columns: dict[str, str], line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        ColumnsConfig.model_validate(columns)


def test_columns_of_the_sample_have_their_names() -> None:
    with pytest.raises(ValidationError, match="has no effect with data.source sample:almanac"):
        DataConfig(source="sample:almanac", columns=ColumnsConfig(context="body"))
