import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points
from qarank.engine.distributed import Processes
from qarank.engine.environment import World
from qarank.errors import AdapterError, DataError, RecipeError
from qarank.workflows import prepare
from qarank.workflows.prepare import (
    describe_parts,
    describe_points,
    describe_preparation,
    describe_processes,
    prepare_run,
)

DATA = {
    "source": "sample:almanac",
    "max_train_examples": 64,
    "max_eval_examples": 24,
    "max_seq_length": 160,
    "doc_stride": 32,
}


def test_a_recipe_becomes_data_and_a_plan(tiny_recipe: Callable[..., Recipe]) -> None:
    prepared = prepare_run(tiny_recipe())
    assert list(prepared.parts) == ["train", "validation"]
    assert prepared.plan.num_features == len(prepared.train.table)
    assert prepared.with_null  # the almanac has questions without an answer
    assert prepared.tokenizer.is_fast


def test_the_parts_are_counted(tiny_recipe: Callable[..., Recipe]) -> None:
    prepared = prepare_run(tiny_recipe())
    facts = describe_parts(prepared)["train"]
    impossible = [example.is_impossible for example in prepared.train.examples]
    assert facts["examples"] == 64
    assert facts["unanswerable"] == sum(impossible) > 0
    assert facts["features"] == len(prepared.train.table) >= 64
    assert facts["longest_feature"] <= 160


def test_what_is_reported_is_json(tiny_recipe: Callable[..., Recipe]) -> None:
    report = describe_preparation(prepare_run(tiny_recipe()))
    assert json.loads(json.dumps(report)) == report
    assert set(report) == {
        "features_dir",
        "version_2_with_negative",
        "data",
        "plan",
        "budget_unit",
        "processes",
    }
    assert report["processes"] == {"world_size": 1, "features_a_step": 8.0}


def test_no_folder_is_made(tiny_recipe: Callable[..., Recipe], tmp_path: Any) -> None:
    prepare_run(tiny_recipe())
    assert not (tmp_path / "runs").exists()


def test_windows_beyond_the_models_positions_are_refused(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    with pytest.raises(DataError, match="max_seq_length is 257; this model has 256 positions"):
        prepare_run(tiny_recipe(data={**DATA, "max_seq_length": 257}))


def test_targets_that_match_nothing_are_refused_with_what_could_match(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    adapter = {"type": "svd", "r": 4, "target_modules": ["q_lin"]}
    with pytest.raises(AdapterError, match="'q_lin' matches no linear of this bert model") as info:
        prepare_run(tiny_recipe(adapter=adapter))
    assert "words: query, key, value" in str(info.value)
    assert "attention.self.query" in str(info.value)


def test_the_head_is_no_target(tiny_recipe: Callable[..., Recipe]) -> None:
    adapter = {"type": "svd", "r": 2, "target_modules": ["qa_outputs"]}
    with pytest.raises(AdapterError, match="'qa_outputs' matches no linear"):
        prepare_run(tiny_recipe(adapter=adapter))


FP16 = {"max_steps": 12, "batch_size": 8, "precision": "fp16"}


@pytest.fixture
def no_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test in which data is read."""
    monkeypatch.setattr(prepare, "load_train_parts", lambda *_: pytest.fail("data was read"))


@pytest.mark.usefixtures("no_features")
def test_deberta_in_fp16_is_refused_before_data_is_read(
    tiny_recipe: Callable[..., Recipe], tiny_deberta_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "default_device", lambda: torch.device("cuda"))
    recipe = tiny_recipe(model={"name_or_path": str(tiny_deberta_dir)}, train=FP16)
    for will_train in (True, False):
        with pytest.raises(RecipeError, match=r"logits of DeBERTa \(deberta-v2\) overflow"):
            prepare_run(recipe, will_train=will_train)


@pytest.mark.usefixtures("no_features")
def test_fp16_without_a_gpu_is_refused_before_data_is_read(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "default_device", lambda: torch.device("cpu"))
    with pytest.raises(RecipeError, match="fp16, which needs a GPU"):
        prepare_run(tiny_recipe(train=FP16))


def test_features_for_a_run_elsewhere_need_no_gpu(
    tiny_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "default_device", lambda: torch.device("cpu"))
    assert prepare_run(tiny_recipe(train=FP16), will_train=False).plan.total_steps == 12


class NotedProcesses(Processes):
    """Four processes of one machine, of which this is the third; notes what is built in turn."""

    def __init__(self) -> None:
        super().__init__(World(2, 2, 4, 4))
        self.built: list[str] = []

    def first_on_machine(self, build: Callable[[], Any], *, what: str) -> Any:
        self.built.append(what)
        return build()


def test_features_are_built_in_turn_and_once(tiny_recipe: Callable[..., Recipe]) -> None:
    processes = NotedProcesses()
    prepared = prepare_run(tiny_recipe(), processes)
    assert processes.built == ["the features"]
    assert describe_processes(prepared) == {"world_size": 4, "features_a_step": 2.0}
    assert prepared.plan == prepare_run(tiny_recipe()).plan, "the same on any number of processes"


def test_the_points_of_a_sweep_are_described_under_their_names(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    seeds = tiny_recipe(sweep={"points": [{"name": "a"}, {"name": "b", "train.max_steps": 20}]})
    points = [report for report, _ in describe_points(expand_points(seeds))]
    assert [(point["point"], point["plan"]["total_steps"]) for point in points] == [
        ("a", 12),
        ("b", 20),
    ]
    assert points[0]["data"]["train"]["examples"] == 64
    assert points[0]["audit"]["findings"] == []


def test_a_point_that_cannot_run_is_named(tiny_recipe: Callable[..., Recipe]) -> None:
    recipe = tiny_recipe(sweep={"points": [{"name": "good"}, {"name": "big", "adapter.r": 33}]})
    with pytest.raises(AdapterError, match=r"^sweep point big: adapter.r is 33; the smallest"):
        describe_points(expand_points(recipe))
