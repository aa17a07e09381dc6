import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qarank.report.rank_grid import arrange_ranks


def test_a_stack_of_layers_gets_a_row_a_kind_and_a_column_a_layer() -> None:
    ranks = {
        f"bert.encoder.layer.{layer}.{kind}": 10 * layer + place
        for layer in (0, 2, 10)
        for place, kind in enumerate(("attention.self.query", "output.dense"))
    }
    grid = arrange_ranks(ranks)
    assert grid.kinds == ("attention.self.query", "output.dense")
    assert grid.layers == ("0", "2", "10"), "by number, not by letter"
    np.testing.assert_array_equal(grid.ranks, [[0, 20, 100], [1, 21, 101]])


def test_the_number_that_makes_most_paths_alike_is_the_layers() -> None:
    ranks = {f"block.{block}.layer.{part}.q": block for block in range(3) for part in range(2)}
    grid = arrange_ranks(ranks)
    assert grid.kinds == ("layer.0.q", "layer.1.q")
    assert grid.layers == ("0", "1", "2")
    grid = arrange_ranks({f"model.0.layer.{layer}.q": 1 for layer in range(3)})
    assert (grid.kinds, grid.layers) == (("q",), ("0", "1", "2"))


def test_several_stacks_are_told_apart_by_name() -> None:
    grid = arrange_ranks({"encoder.block.0.q": 1, "encoder.block.1.q": 2, "decoder.block.1.q": 3})
    assert grid.kinds == ("encoder.block.*.q", "decoder.block.*.q")
    np.testing.assert_array_equal(grid.ranks, [[1, 2], [np.nan, 3]])


def test_a_matrix_of_no_layer_has_a_row_and_the_last_column() -> None:
    grid = arrange_ranks({"pooler.dense": 4, "encoder.layer.0.q": 1, "encoder.layer.1.q": 2})
    assert grid.kinds == ("pooler.dense", "q")
    assert grid.layers == ("0", "1", "-")
    np.testing.assert_array_equal(grid.ranks, [[np.nan, np.nan, 4], [1, 2, np.nan]])


def test_a_layer_that_is_itself_the_matrix_keeps_its_name() -> None:
    grid = arrange_ranks({"model.layers.0": 1, "model.layers.1": 2})
    assert (grid.kinds, grid.layers) == (("model.layers.*",), ("0", "1"))


PARTS = st.sampled_from(["encoder", "decoder", "layer", "q", "0", "1", "07", "12"])


@given(st.dictionaries(st.lists(PARTS, min_size=1, max_size=5).map(".".join), st.integers(0, 9)))
def test_of_paths_of_any_shape_none_is_lost(ranks: dict[str, int]) -> None:
    grid = arrange_ranks(ranks)
    kept = grid.ranks[np.isfinite(grid.ranks)]
    assert sorted(kept) == sorted(ranks.values())
    assert grid.ranks.shape == (len(grid.kinds), len(grid.layers))
