import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qarank.config.data_schema import DataConfig
from qarank.config.schema import (
    EvalConfig,
    ModelConfig,
    Recipe,
    SweepConfig,
    TrainConfig,
    resolve_steps,
)


def build_recipe(**changes: object) -> Recipe:
    asked: dict[str, object] = {
        "name": "x",
        "model": ModelConfig(name_or_path="m"),
        "data": DataConfig(source="squad"),
        "train": TrainConfig(epochs=1),
        **changes,
    }
    return Recipe.model_validate(asked)


@pytest.mark.parametrize(
    ("value", "steps"), [(0, 0), (5000, 5000), (1, 1), (0.1, 100), (0.9996, 1000), (0.0001, 0)]
)
def test_an_integer_is_steps_and_a_float_a_share(value: int | float, steps: int) -> None:
    assert resolve_steps(value, 1000) == steps


@given(share=st.floats(0, 1, exclude_min=True, exclude_max=True), total=st.integers(1, 10**7))
def test_a_share_lies_within_the_run_and_a_period_is_never_zero(share: float, total: int) -> None:
    assert 0 <= resolve_steps(share, total) <= total
    assert 1 <= resolve_steps(share, total, at_least=1) <= total


@pytest.mark.parametrize("value", [-1, 0.0, 1.0, 1.5, True, "5", float("nan")])
def test_a_step_count_is_not_negative_and_a_share_strictly_within(value: object) -> None:
    with pytest.raises(ValidationError):
        TrainConfig.model_validate({"epochs": 1, "warmup_steps": value})


@pytest.mark.parametrize("keys", [{}, {"epochs": 1, "max_steps": 1}])
def test_a_run_is_as_long_as_one_key_says(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one of train.epochs or train.max_steps"):
        TrainConfig.model_validate(keys)


def test_a_micro_batch_fits_its_batch() -> None:
    with pytest.raises(ValidationError, match="17; it must be at most train.batch_size, 16"):
        TrainConfig(epochs=1, micro_batch_size=17)


def test_evaluating_along_the_way_needs_data() -> None:
    with pytest.raises(ValidationError, match="eval.every needs evaluation data"):
        build_recipe(data=DataConfig(train="a.json"), eval=EvalConfig(every=10))


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", " x", "a/b", "a\\b", "a\nb"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="it names a folder"):
        build_recipe(name=name)


@pytest.mark.parametrize("name", ["x", "squad_v2_svd", "Größe 3", "a.b-c"])
def test_a_name_may_be_what_a_file_may_be(name: str) -> None:
    assert build_recipe(name=name).name == name


def test_a_sweep_asks_for_something() -> None:
    with pytest.raises(ValidationError, match="sweep is empty"):
        SweepConfig()
    with pytest.raises(ValidationError, match="both given; keep one"):
        SweepConfig(points=[{"seed": 1}], grid={"seed": [1]})
    with pytest.raises(ValidationError, match=r"sweep.seeds is \[1, 1\]"):
        SweepConfig(seeds=[1, 1])


def test_a_sweeps_points_run_here_or_on_a_cluster_of_ray() -> None:
    assert SweepConfig(seeds=[1]).executor == "local"
    assert SweepConfig(seeds=[1], executor="ray").executor == "ray"
    with pytest.raises(ValidationError, match="'local' or 'ray'"):
        SweepConfig.model_validate({"seeds": [1], "executor": "slurm"})


def test_an_integer_stays_one_where_a_number_is_asked() -> None:
    assert isinstance(TrainConfig(epochs=12).epochs, int)
    assert isinstance(build_recipe().adapter.alpha, int)
