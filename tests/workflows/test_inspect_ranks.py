import json
from collections.abc import Callable
from typing import Any

import pytest

from qarank.errors import CheckpointError, RunDirError
from qarank.workflows.inspect_ranks import MatrixRank, RankReport, report_ranks, split_path
from qarank.workflows.inspect_rounds import report_rounds


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (
            "bert.encoder.layer.3.attention.self.query",
            ("bert.encoder.layer", 3, "attention.self.query"),
        ),
        ("deberta.encoder.layer.11.output.dense", ("deberta.encoder.layer", 11, "output.dense")),
        (
            "encoder.block.0.layer.1.DenseReluDense.wo",
            ("encoder.block", 0, "layer.1.DenseReluDense.wo"),
        ),
        ("model.pooler.dense", ("", None, "model.pooler.dense")),
    ],
)
def test_a_path_is_a_layer_and_a_name(path: str, parts: tuple[str, int | None, str]) -> None:
    assert split_path(path) == parts


def test_a_report_tells_each_matrix_its_rank_and_cost(pruned_run: Any) -> None:
    report = report_ranks(pruned_run.last_checkpoint)
    assert {m.path: m.rank for m in report.matrices} == pruned_run.run["result"]["ranks"]
    assert report.total_rank == 8
    assert (report.type, report.r) == ("svd", 4)
    shapes = pruned_run.run["plan"]["matrices"]
    assert report.total_parameters == sum(m.rank * sum(shapes[m.path]) for m in report.matrices)


def test_a_report_is_json(pruned_run: Any) -> None:
    document = report_ranks(pruned_run.folder).to_dict()
    assert json.loads(json.dumps(document)) == document
    assert {
        "checkpoint",
        "type",
        "r",
        "matrices",
        "notes",
        "total_rank",
        "total_parameters",
    } == set(document)
    assert set(document["matrices"][0]) == {
        "path",
        "stack",
        "layer",
        "name",
        "rank",
        "parameters",
        "in_features",
        "out_features",
    }


def test_a_checkpoint_without_adapters_has_no_ranks(own_run: Any) -> None:
    (own_run.last_checkpoint / "rank_pattern.json").unlink()
    with pytest.raises(CheckpointError, match="no rank_pattern.json: nothing there was adapted"):
        report_ranks(own_run.last_checkpoint)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"type": "svd"}', '{"matrices": 3, "r": 1}'])
def test_a_damaged_pattern_is_one_line(text: str, own_run: Any) -> None:
    (own_run.last_checkpoint / "rank_pattern.json").write_text(text)
    with pytest.raises(CheckpointError, match="rank_pattern.json") as caught:
        report_ranks(own_run.last_checkpoint)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_run_is_refused(own_run: Any) -> None:
    with pytest.raises(RunDirError, match="is not a run"):
        report_ranks(own_run.folder / "checkpoints")


@pytest.mark.parametrize("kind", ["svd", "frd"])
def test_a_run_without_an_allocator_has_full_ranks_and_no_rounds(
    kind: str, train_tiny: Callable[..., Any]
) -> None:
    run = train_tiny(
        name="uniform",
        adapter={"type": kind, "r": 3},
        allocator={"type": "none"},
        train={"max_steps": 2, "batch_size": 8},
    )
    report = report_ranks(run.folder)
    assert (report.type, set(report.ranks.values())) == (kind, {3})
    assert report_rounds(run.folder, report) == []


def test_matrices_that_all_lost_their_rank_are_still_there(own_run: Any) -> None:
    path = own_run.last_checkpoint / "rank_pattern.json"
    pattern = json.loads(path.read_text())
    for matrix in pattern["matrices"].values():
        matrix["rank"] = 0
    path.write_text(json.dumps(pattern))
    report = report_ranks(own_run.last_checkpoint)
    assert len(report.matrices) == 12
    assert (report.total_rank, report.total_parameters) == (0, 0)


def test_kinds_are_told_apart_by_their_stack_where_there_are_several() -> None:
    def kinds(*paths: str) -> list[str]:
        matrices = [MatrixRank(path, *split_path(path), 1, 16, 8, 8) for path in paths]
        return list(RankReport("c", "svd", 2, matrices).kinds.values())

    assert kinds("encoder.layer.0.q", "encoder.layer.1.q") == ["q", "q"]
    assert kinds("encoder.layer.0.q", "decoder.layer.0.q") == [
        "encoder.layer.*.q",
        "decoder.layer.*.q",
    ]
