import pytest
from pydantic import ValidationError

from qarank.config.rank_schema import AdapterConfig


def test_a_section_is_frozen_strict_and_closed() -> None:
    section = AdapterConfig(r=2)
    with pytest.raises(ValidationError, match="frozen"):
        section.r = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="valid integer"):
        AdapterConfig.model_validate({"r": "2"})
    with pytest.raises(ValidationError, match="not permitted"):
        AdapterConfig.model_validate({"rank": 2})


def test_given_keys_are_those_written_down_nulls_aside() -> None:
    assert AdapterConfig(r=8, orth_reg_weight=None).given() == {"r"}


def test_a_default_list_is_not_shared_between_sections() -> None:
    assert AdapterConfig().target_modules is not AdapterConfig().target_modules
