from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qarank.engine.distributed import ALONE, Processes
from qarank.engine.reduce import GradientReducer, cut_buckets, require_whole
from qarank.errors import LaunchError
from tests.distributed.processes import run_joined

SHAPES = [(3, 5), (7,), (), (2, 2, 2), (11,), (4,)]
NOBODYS, OF_ONE = 1, 4  # places in SHAPES: no gradient on any process, on the last process only


def build_parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(shape)) for shape in SHAPES]


def draw_gradients(rank: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def reduce_gradients(
    processes: Processes, bucket_bytes: int
) -> tuple[list[Tensor | None], list[float]]:
    """What a process holds after the sum: its gradients and three extras."""
    rank, size = processes.world.global_rank, processes.world.world_size
    parameters = build_parameters()
    for place, (parameter, gradient) in enumerate(
        zip(parameters, draw_gradients(rank), strict=True)
    ):
        if place != NOBODYS and (place != OF_ONE or rank == size - 1):
            parameter.grad = gradient
    reducer = GradientReducer(parameters, processes, bucket_bytes=bucket_bytes)
    extras = reducer.reduce([torch.tensor(0.5), 1.0, float(rank)])
    return [parameter.grad for parameter in parameters], extras


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("bucket_bytes", [1, 64, 1024])
def test_every_process_holds_the_plain_sum(world_size: int, bucket_bytes: int) -> None:
    held = run_joined(reduce_gradients, bucket_bytes, world_size=world_size)
    drawn = [draw_gradients(rank) for rank in range(world_size)]
    for gradients, extras in held:
        assert extras == [0.5 * world_size, world_size, sum(range(world_size))]
        for place, gradient in enumerate(gradients):
            if place == NOBODYS:
                assert gradient is None
            elif place == OF_ONE:
                assert torch.equal(gradient, drawn[-1][place])
            else:
                plain = torch.stack([own[place] for own in drawn]).sum(dim=0)
                assert gradient.shape == SHAPES[place]
                torch.testing.assert_close(gradient, plain)
    for gradients, _ in held[1:]:  # the same bits, or the processes' weights drift apart
        for one, other in zip(held[0][0], gradients, strict=True):
            assert (one is None and other is None) or torch.equal(one, other)


def test_a_process_alone_keeps_its_gradients() -> None:
    parameters = build_parameters()
    gradients = draw_gradients(0)
    for parameter, gradient in zip(parameters[1:], gradients[1:], strict=True):
        parameter.grad = gradient.clone()
    assert GradientReducer(parameters, ALONE).reduce([2.0]) == [2.0]
    assert parameters[0].grad is None
    for parameter, gradient in zip(parameters[1:], gradients[1:], strict=True):
        assert torch.equal(parameter.grad, gradient)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(1, 200))
def test_buckets_hold_neighbours_in_order_and_no_more_than_their_bytes(
    sizes: Sequence[int], bucket_bytes: int
) -> None:
    parameters = [nn.Parameter(torch.zeros(size)) for size in sizes]
    buckets = cut_buckets(parameters, bucket_bytes)
    flat = [parameter for bucket in buckets for parameter in bucket]
    assert [id(parameter) for parameter in flat] == [id(parameter) for parameter in parameters]
    for bucket in buckets:
        assert len(bucket) == 1 or sum(4 * p.numel() for p in bucket) <= bucket_bytes


def mark(parameter: nn.Parameter, name: str) -> nn.Parameter:
    setattr(parameter, name, object())
    return parameter


@pytest.mark.parametrize(
    ("name", "what"),
    [("_is_flat_param", "FSDP"), ("ds_id", "DeepSpeed ZeRO-3"), ("device_mesh", "DTensor, FSDP2")],
)
def test_a_sharded_parameter_is_refused_by_name(name: str, what: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    require_whole(model)
    mark(model[1].weight, name)
    with pytest.raises(LaunchError, match=rf"^1\.weight is sharded \({what}\)"):
        require_whole(model)


def shard_for_real(processes: Processes) -> str:
    from torch.distributed.fsdp import fully_shard

    model = nn.Sequential(nn.Linear(4, 4))
    fully_shard(model[0])
    with pytest.raises(LaunchError) as caught:
        require_whole(model)
    processes.gather(None)
    return str(caught.value)


def test_torchs_own_sharding_is_recognised() -> None:
    told = run_joined(shard_for_real)
    assert all(line.startswith("0.weight is sharded (DTensor, FSDP2)") for line in told)
