import io
import subprocess
import sys
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from qarank.report.rank_map import COLOURS
from qarank.report.rank_picture import DrawnRun, draw_runs
from qarank.report.trajectory import describe_rounds

KINDS = ("attention.self.query", "output.dense")


def make_run(layers: int = 3, *, rank: int = 2, rounds: int = 0, r: int = 4) -> DrawnRun:
    kinds = {f"bert.encoder.layer.{i}.{kind}": kind for i in range(layers) for kind in KINDS}
    ranks = dict.fromkeys(kinds, rank)
    lines: list[dict[str, Any]] = [
        {"global_step": 10 * (i + 1), "budget": 9, "ranks": ranks, "revived": 0}
        for i in range(rounds)
    ]
    figures = describe_rounds(lines, dict.fromkeys(kinds, 64), r=r)
    return DrawnRun(title="a run", ranks=ranks, r=r, kinds=kinds, rounds=figures)


def look(png: bytes) -> np.ndarray:
    """(height, width, 3) float, 0..1."""
    return np.asarray(matplotlib.image.imread(io.BytesIO(png)))[..., :3]


def share_of(pixels: np.ndarray, colour: tuple[float, ...]) -> float:
    return float((np.abs(pixels - np.array(colour[:3])).max(axis=-1) < 0.01).mean())


ODD = {
    "no rounds": make_run(),
    "one round": make_run(rounds=1),
    "many rounds": make_run(rounds=300),
    "all at rank 0": make_run(rank=0, rounds=3),
    "r of 0": make_run(rank=0, r=0, rounds=2),
    "one layer": make_run(1, rounds=2),
    "many layers": make_run(120, rounds=2),
    "no layers": DrawnRun("t", {"a": 1, "b": 4}, r=4, kinds={"a": "a", "b": "b"}),
}


@pytest.mark.parametrize("run", [pytest.param(run, id=name) for name, run in ODD.items()])
def test_any_run_is_a_picture_with_nothing_cut_at_its_edge(run: DrawnRun) -> None:
    pixels = look(draw_runs([run]))
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge == 1).all() for edge in edges), "white all around"
    assert 800 < pixels.shape[1] <= 1600 and pixels.shape[0] < 2300


def test_the_map_and_the_rounds_have_the_colour_of_their_ranks() -> None:
    colour = COLOURS(2 / 4)
    alone, with_rounds = (look(draw_runs([make_run(rounds=count)])) for count in (0, 5))
    assert share_of(alone, colour) > 0.1
    painted = [share_of(pixels, colour) * pixels.size for pixels in (alone, with_rounds)]
    assert painted[1] > 1.5 * painted[0]


def test_runs_stand_below_each_other() -> None:
    one, two = (look(draw_runs([make_run(rounds=2)] * count)) for count in (1, 2))
    assert two.shape[0] == pytest.approx(2 * one.shape[0], abs=2)
    assert two.shape[1] == one.shape[1]


def test_it_opens_no_window_and_needs_no_torch() -> None:
    code = (
        "import sys, qarank.report.rank_picture;"
        "print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
