import subprocess
import sys

import numpy as np
import pytest

from qarank.report.rank_map import COLOURS, NO_MATRIX, draw_rank_map

KINDS = ("attention.self.query", "attention.self.key", "output.dense")


def stack(layers: int, rank: int = 3) -> dict[str, int]:
    return {f"bert.encoder.layer.{i}.{kind}": rank for i in range(layers) for kind in KINDS}


def is_painted(pixels: np.ndarray, colour: tuple[float, ...]) -> bool:
    """Whether more than a speck has that colour, each channel 0..1."""
    wanted = np.round(np.array(colour[:3]) * 255)
    return int((np.abs(pixels - wanted).max(axis=-1) <= 1).sum()) > 50


def edges(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


ODD = {
    "one matrix": {"dense": 4},
    "one layer": stack(1),
    "many layers": stack(200),
    "a high number": {"encoder.layer.1000000.query": 1},
    "no layers": {f"part{i}.dense": i % 4 for i in range(40)},
    "several stacks": {
        **{f"encoder.block.{i}.layer.0.SelfAttention.q": i for i in range(4)},
        **{f"decoder.block.{i}.layer.1.EncDecAttention.q": i for i in range(2)},
        "pooler.dense": 4,
    },
}


@pytest.mark.parametrize("ranks", [pytest.param(ranks, id=name) for name, ranks in ODD.items()])
def test_a_map_of_any_matrices_is_a_picture_with_nothing_cut_at_its_edge(
    ranks: dict[str, int],
) -> None:
    pixels = draw_rank_map(ranks, r=4, title="step 100: 12 of 16 triplets")
    assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)
    assert max(pixels.shape) < 2000
    assert (edges(pixels) == 255).all(), "white all around"


@pytest.mark.parametrize("rank", [0, 6, 12])
def test_a_cell_has_the_colour_of_its_rank(rank: int) -> None:
    pixels = draw_rank_map(stack(4, rank), r=12, title="")
    assert is_painted(pixels, COLOURS(rank / 12))


def test_a_place_without_a_matrix_is_grey() -> None:
    grey = tuple(int(NO_MATRIX[i : i + 2], 16) / 255 for i in (1, 3, 5))
    whole = stack(3)
    assert not is_painted(draw_rank_map(whole, r=4, title=""), grey)
    whole.pop("bert.encoder.layer.1.output.dense")
    assert is_painted(draw_rank_map(whole, r=4, title=""), grey)


def count_black(layers: int, rank: int) -> int:
    """Black pixels: letters, and numbers on pale cells."""
    pixels = draw_rank_map(stack(layers, rank), r=300, title="")
    return int((pixels.max(axis=-1) < 60).sum())


def test_ranks_are_written_in_where_there_is_room() -> None:
    assert count_black(4, 111) > count_black(4, 1) + 50, "three digits a cell are more than one"
    assert count_black(100, 111) == count_black(100, 1), "12 pixels a cell hold no number up to 300"


def test_the_same_ranks_make_the_same_picture() -> None:
    one, other = (draw_rank_map(stack(4), r=4, title="step 1") for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_longer_title_makes_a_wider_picture() -> None:
    short, long = (draw_rank_map({"q": 1}, r=4, title="t" * length) for length in (5, 120))
    assert long.shape[1] > short.shape[1]
    assert (edges(long) == 255).all()


def test_it_opens_no_window_and_leaves_no_global_figure() -> None:
    code = (
        "import sys; from qarank.report.rank_map import draw_rank_map;"
        "draw_rank_map({'q': 1}, r=2, title='t');"
        "print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
