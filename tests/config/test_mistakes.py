import math

import pytest
from pydantic import ValidationError

from qarank.config.mistakes import Mistake, describe_allowed, list_mistakes, show_value
from qarank.config.schema import Recipe


def mistakes_of(**changes: object) -> list[Mistake]:
    asked: dict[str, object] = {
        "name": "x",
        "model": {"name_or_path": "m"},
        "data": {"source": "squad"},
        "train": {"epochs": 1},
        **changes,
    }
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(asked)
    return list_mistakes(caught.value, asked)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"allocator": {"target_rank": 1}},
            "unknown key allocator.target_rank; did you mean allocator.target_r?",
        ),
        ({"learning_rate": 1.0}, "unknown key learning_rate; did you mean train.learning_rate?"),
        (
            {"batch_size": 1},
            "unknown key batch_size; did you mean train.batch_size or eval.batch_size?",
        ),
        ({"adapter": {"delta": 1}}, "unknown key adapter.delta; did you mean allocator.delta_t?"),
        (
            {"eval": {"zzz": 1}},
            "unknown key eval.zzz; known keys: eval.batch_size, eval.every, eval.best_metric,"
            " eval.n_best_size, eval.max_answer_length, eval.null_threshold",
        ),
        ({"eval": {1: 2}}, None),
        (
            {"train": {"epochs": 1, "learning_rate": "1e-3"}},
            "train.learning_rate is the text '1e-3':"
            " YAML reads such a number only with a dot and a signed exponent;"
            " write 1.0e-3",
        ),
        (
            {"train": {"epochs": 1, "learning_rate": "2.5E5"}},
            "train.learning_rate is the text '2.5E5':"
            " YAML reads such a number only with a dot and a signed exponent;"
            " write 2.5e+5",
        ),
        (
            {"train": {"epochs": 1, "learning_rate": "fast"}},
            "train.learning_rate is the text 'fast'; it must be a number above 0",
        ),
        (
            {"train": {"epochs": 1, "learning_rate": "1e999"}},
            "train.learning_rate is the text '1e999'; it must be a number above 0",
        ),
        (
            {"train": {"epochs": 1, "learning_rate": math.nan}},
            "train.learning_rate is .nan; it must be a number above 0, and finite",
        ),
        (
            {"train": {"epochs": 1, "warmup_steps": 1.5}},
            "train.warmup_steps is 1.5; it must be a whole number at least 0,"
            " or a number above 0 and below 1",
        ),
        ({"train": {"epochs": 0}}, "train.epochs is 0; it must be a number above 0, or null"),
        (
            {"adapter": {"type": "lora"}},
            "adapter.type is 'lora'; it must be one of svd, frd, none",
        ),
        ({"adapter": {"r": True}}, "adapter.r is true; it must be a whole number above 0"),
        ({"adapter": {"r": 8.0}}, "adapter.r is 8.0; it must be a whole number above 0"),
        (
            {"adapter": {"target_modules": []}},
            "adapter.target_modules is []; it must be a list of texts, or text, and not empty",
        ),
        (
            {"data": {"source": ["a.json", 3]}},
            "data.source is [a.json, 3]; it must be text, or a list of texts, or null",
        ),
        (
            {"data": {"source": "squad", "version_2_with_negative": "no"}},
            "data.version_2_with_negative is 'no'; it must be auto, or true or false",
        ),
        (
            {"model": {"name_or_path": "m", "revision": 123}},
            "model.revision is 123; it must be text, or null (put it in quotes)",
        ),
        ({"model": {}}, "missing key model.name_or_path: Hub name, folder, or package:"),
        ({"eval": 3}, "eval is 3; it must be a mapping"),
        ({"sweep": [1]}, "sweep is [1]; it must be a mapping"),
        ({"sweep": {"points": [3]}}, "sweep.points is [3]; it must be a list of mappings, or null"),
        ({"seed": -1}, "seed is -1; it must be a whole number at least 0 and at most 4294967295"),
    ],
)
def test_a_mistake_is_told_with_key_value_and_what_is_allowed(
    changes: dict[str, object], line: str | None
) -> None:
    (mistake,) = mistakes_of(**changes)
    assert mistake.line.startswith(line or "unknown key eval.1; known keys:")


def test_an_unknown_key_comes_before_the_key_it_was_meant_to_be() -> None:
    first, second = mistakes_of(model={"name_or_pth": "m"})
    assert first.line == "unknown key model.name_or_pth; did you mean model.name_or_path?"
    assert second.key == "model.name_or_path"


def test_a_key_with_several_legal_types_is_told_once() -> None:
    assert len(mistakes_of(adapter={"target_modules": 3, "alpha": "x"})) == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        ({"a": [1, "b"]}, "{a: [1, b]}"),
        ("a\nb", r"'a\nb'"),
        ("x" * 99, "'" + "x" * 56 + "..."),
    ],
)
def test_a_value_is_shown_on_one_short_line(value: object, shown: str) -> None:
    assert show_value(value) == shown
    assert len(show_value(value)) <= 60


def test_every_key_of_the_schema_can_say_what_it_allows() -> None:
    schema = Recipe.model_json_schema()
    for section in schema["$defs"].values():
        for key, node in section["properties"].items():
            assert "a value" not in describe_allowed(node), key
