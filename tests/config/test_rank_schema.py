import pytest
from pydantic import ValidationError

from qarank.config.rank_schema import OF_SENSITIVITY, SCORING, AdapterConfig, AllocatorConfig


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


VALUES: dict[str, object] = {
    "target_r": 1,
    "target_total": 1,
    "max_rank": 1,
    "metric": "iptAB,sumAB",
    "pattern": "runs/other",
}


@pytest.mark.parametrize("key", [key for key in AllocatorConfig.model_fields if key != "type"])
def test_without_an_allocator_each_of_its_keys_is_refused(key: str) -> None:
    value = VALUES.get(key, AllocatorConfig.model_fields[key].default)
    with pytest.raises(ValidationError, match=f"allocator.{key} has no effect with allocator.type"):
        AllocatorConfig.model_validate({key: value})


@pytest.mark.parametrize("type_", SCORING)
@pytest.mark.parametrize("keys", [{}, {"target_r": 1, "target_total": 72}])
def test_the_last_budget_is_given_once(keys: dict[str, object], type_: str) -> None:
    with pytest.raises(ValidationError, match="exactly one of allocator.target_r or allocator.t"):
        AllocatorConfig.model_validate({"type": type_, **keys})


@pytest.mark.parametrize("key", [key for key in AllocatorConfig.model_fields if key != "type"])
def test_ranks_from_a_file_need_the_file_and_no_other_key(key: str) -> None:
    value = VALUES.get(key, AllocatorConfig.model_fields[key].default)
    keys = {"type": "file", "pattern": "runs/other", key: value}
    if key == "pattern":
        assert AllocatorConfig.model_validate(keys).pattern == "runs/other"
        with pytest.raises(
            ValidationError, match=r"type file needs allocator\.pattern, a run with"
        ):
            AllocatorConfig.model_validate({"type": "file"})
        return
    with pytest.raises(ValidationError, match=f"allocator.{key} has no effect with allocator.type"):
        AllocatorConfig.model_validate(keys)


@pytest.mark.parametrize(
    ("type_", "key"),
    [
        *((type_, key) for type_ in ("norm", "random") for key in OF_SENSITIVITY),
        *((type_, "pattern") for type_ in SCORING),
    ],
)
def test_a_key_of_another_allocator_is_refused(type_: str, key: str) -> None:
    value = VALUES.get(key, AllocatorConfig.model_fields[key].default)
    line = f"allocator.{key} has no effect with allocator.type {type_}"
    with pytest.raises(ValidationError, match=line):
        AllocatorConfig.model_validate({"type": type_, "target_r": 1, key: value})


def test_the_least_rank_is_not_above_the_largest() -> None:
    limits = {"type": "norm", "target_r": 2, "min_rank": 2, "max_rank": 2}
    assert AllocatorConfig.model_validate(limits).min_rank == 2
    with pytest.raises(ValidationError, match="min_rank is 3; it must be at most allocator.max_ra"):
        AllocatorConfig.model_validate(limits | {"min_rank": 3})


@pytest.mark.parametrize(
    "keys", [{"min_rank": -1}, {"max_rank": 0}, {"budget_unit": "bytes"}, {"type": "uniform"}]
)
def test_values_that_mean_nothing_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AllocatorConfig.model_validate({"type": "norm", "target_r": 2, **keys})


def test_the_metric_is_the_papers_for_the_adapter_unless_given() -> None:
    allocator = AllocatorConfig(type="adalora", target_r=1)
    assert allocator.metric_for("svd") == "iptAB,iptE,sumAB,sumE"
    assert allocator.metric_for("frd") == "iptAB,sumAB"
    given = AllocatorConfig(type="adalora", target_r=1, metric="magAB,prodAB")
    assert given.metric_for("frd") == "magAB,prodAB"
