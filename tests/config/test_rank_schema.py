import pytest
from pydantic import ValidationError

from qarank.config.rank_schema import AdapterConfig, AllocatorConfig


@pytest.mark.parametrize(
    ("keys", "weight"),
    [
        ({}, 0.1),
        ({"orth_reg_weight": 0.0}, 0.0),
        ({"orth_reg_weight": 0.5}, 0.5),
        ({"type": "frd"}, 0.0),
        ({"type": "frd", "orth_reg_weight": 0.0}, 0.0),
        ({"type": "none"}, 0.0),
    ],
)
def test_the_penalty_is_for_svd_unless_told_otherwise(
    keys: dict[str, object], weight: float
) -> None:
    assert AdapterConfig.model_validate(keys).effective_orth_reg_weight == weight


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"full": True}, "adapter.full needs adapter.type none; it is svd"),
        ({"type": "frd", "orth_reg_weight": 0.1}, "must be 0 or null with adapter.type frd"),
        ({"type": "none", "orth_reg_weight": 0.1}, "must be 0 or null with adapter.type none"),
        ({"type": "frd", "init": "gaussian"}, "adapter.init has no effect with adapter.type frd"),
        ({"type": "none", "r": 8}, "adapter.r has no effect with adapter.type none"),
        (
            {"type": "none", "target_modules": ["query"]},
            "adapter.target_modules has no effect with adapter.type none",
        ),
    ],
)
def test_an_adapter_key_that_would_do_nothing_is_refused(
    keys: dict[str, object], line: str
) -> None:
    with pytest.raises(ValidationError, match=line):
        AdapterConfig.model_validate(keys)


def test_all_weights_may_be_trained_without_an_adapter() -> None:
    assert AdapterConfig(type="none", full=True).full


@pytest.mark.parametrize("key", [key for key in AllocatorConfig.model_fields if key != "type"])
def test_without_an_allocator_each_of_its_keys_is_refused(key: str) -> None:
    value: object = {"target_r": 1, "target_total": 1, "metric": "iptAB,sumAB"}.get(
        key, AllocatorConfig.model_fields[key].default
    )
    with pytest.raises(ValidationError, match=f"allocator.{key} has no effect with allocator.type"):
        AllocatorConfig.model_validate({key: value})


@pytest.mark.parametrize("keys", [{}, {"target_r": 1, "target_total": 72}])
def test_the_last_budget_is_given_once(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one of allocator.target_r or allocator.t"):
        AllocatorConfig.model_validate({"type": "adalora", **keys})


def test_the_metric_is_the_papers_for_the_adapter_unless_given() -> None:
    allocator = AllocatorConfig(type="adalora", target_r=1)
    assert allocator.metric_for("svd") == "iptAB,iptE,sumAB,sumE"
    assert allocator.metric_for("frd") == "iptAB,sumAB"
    given = AllocatorConfig(type="adalora", target_r=1, metric="magAB,prodAB")
    assert given.metric_for("frd") == "magAB,prodAB"
