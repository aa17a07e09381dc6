from dataclasses import fields
from itertools import chain, combinations

import pytest
from transformers import TrainingArguments

from qarank.config.flags.catalogue import (
    ALIASES,
    BOOLS,
    FIXED,
    IDLE,
    KNOWN,
    LISTS,
    TRANSLATED,
    VALUE_OPTIONAL,
    find_flag,
    suggest_flag,
)


def test_each_flag_stands_in_one_table_once() -> None:
    tables = [TRANSLATED, tuple(chain.from_iterable(IDLE.values())), tuple(FIXED)]
    for table in tables:
        assert len(table) == len(set(table))
    assert all(set(one).isdisjoint(other) for one, other in combinations(tables, 2))


def test_what_is_said_of_a_flags_form_is_said_of_known_flags() -> None:
    assert BOOLS | {*LISTS, *VALUE_OPTIONAL, *ALIASES.values()} <= KNOWN
    assert KNOWN.isdisjoint(ALIASES)


def test_every_argument_of_the_installed_trainer_is_known() -> None:
    """So a newer one shows here first."""
    names = [field.name for field in fields(TrainingArguments)]
    assert [name for name in names if find_flag(name) is None] == []


def test_switches_of_the_installed_trainer_are_switches_here() -> None:
    for field in fields(TrainingArguments):
        found = find_flag(field.name)
        if isinstance(field.default, bool):
            assert found is not None and found[0] in BOOLS, field.name
        elif isinstance(field.default, int | float):
            assert found is not None and found[0] not in BOOLS, field.name


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("learning_rate", ("learning_rate", False)),
        ("learning-rate", ("learning_rate", False)),
        ("evaluation_strategy", ("eval_strategy", False)),
        ("no_cuda", ("use_cpu", False)),
        ("no_pad_to_max_length", ("pad_to_max_length", True)),
        ("no-fp16", ("fp16", True)),
        ("no_seed", None),
        ("learning_rat", None),
    ],
)
def test_a_flag_is_found_in_all_its_spellings(written: str, found: tuple[str, bool] | None) -> None:
    assert find_flag(written) == found


@pytest.mark.parametrize(
    ("unknown", "suggested"),
    [
        ("learning_rat", "did you mean --learning_rate?"),
        ("lora-rank", "did you mean --lora_r?"),
        ("evaluation_strateg", "did you mean --evaluation_strategy?"),
        ("logging_di", "did you mean --logging_dir?"),
        ("xyzzy", "no flag of run_qa is like it; leave it out"),
    ],
)
def test_an_unknown_flag_gets_the_nearest_known_one(unknown: str, suggested: str) -> None:
    assert suggest_flag(unknown) == suggested
