import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qarank.engine.generators import read_generators, seed_process, set_generators

CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed: int, global_rank: int) -> Tensor:
    seed_process(seed, global_rank)
    return torch.rand(8)


def test_what_is_drawn_after_a_state_is_put_back_is_what_was_drawn_before() -> None:
    states = read_generators(CPU)
    drawn = torch.rand(5), torch.randn(3), torch.randperm(9)
    set_generators(states, CPU)
    again = torch.rand(5), torch.randn(3), torch.randperm(9)
    assert all(torch.equal(one, two) for one, two in zip(drawn, again, strict=True))


def test_a_state_that_was_read_does_not_move_on_with_the_generator() -> None:
    states = read_generators(CPU)
    before = states["cpu"].clone()
    torch.rand(3)
    assert torch.equal(states["cpu"], before)


def test_a_run_on_the_cpu_has_no_other_generator_and_leaves_a_gpus_state_out() -> None:
    states = read_generators(CPU)
    assert set(states) == {"cpu"}
    set_generators({**states, "cuda": torch.zeros(16, dtype=torch.uint8)}, CPU)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_first_process_draws_what_the_seed_alone_gives(seed: int) -> None:
    torch.manual_seed(seed)
    expected = torch.rand(8)
    assert torch.equal(draw(seed, 0), expected)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_every_process_has_a_stream_of_its_own(seed: int) -> None:
    """On the CPU too, whose generator reads the low 32 bits of a seed alone."""
    streams = {tuple(draw(seed, global_rank).tolist()) for global_rank in range(16)}
    assert len(streams) == 16


@pytest.mark.parametrize("global_rank", [1, 2, 7])
def test_a_process_does_not_draw_what_a_nearby_seed_gives(global_rank: int) -> None:
    own = draw(9, global_rank)
    assert not any(torch.equal(own, draw(9 + near, 0)) for near in range(-9, 100))
