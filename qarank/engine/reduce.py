"""Sums gradients over processes: one flat buffer a bucket, once a step.

Not DistributedDataParallel's hooks: processes may run different numbers of micro-batches, or none,
and the penalty's gradient is added after the sum, the same on each process.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qarank.engine.distributed import Processes
from qarank.errors import LaunchError

SHARD_MARKS = {  # attributes that sharded parameters carry
    "device_mesh": "DTensor, FSDP2",
    "_is_flat_param": "FSDP",
    "ds_id": "DeepSpeed ZeRO-3",
}
BUCKET_BYTES = 64 * 1024**2  # several, so that a full model's sums overlap with their copies


class GradientReducer:
    """Adds gradients up over the processes of a run.

    Args:
        parameters: what is trained, float32, the same on each process.
        processes: of the run.
        bucket_bytes: of one buffer, at most; a larger parameter has one of its own.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        processes: Processes,
        *,
        bucket_bytes: int = BUCKET_BYTES,
    ) -> None:
        self.processes = processes
        self.buckets = cut_buckets(parameters, bucket_bytes)

    def reduce(self, extras: Sequence[float | Tensor]) -> list[float]:
        """Sum all gradients in place, and a few numbers along with them.

        A parameter without a gradient on every process stays without one.

        Args:
            extras: scalars; they travel in float32.

        Returns:
            The extras, summed over the processes.
        """
        parameters = [parameter for bucket in self.buckets for parameter in bucket]
        device = parameters[0].device
        numbers = [torch.as_tensor(extra, dtype=torch.float32, device=device) for extra in extras]
        present = torch.tensor([float(p.grad is not None) for p in parameters], device=device)
        tail = torch.cat([torch.stack(numbers), present])
        flats = [_flatten(bucket) for bucket in self.buckets]
        flats[-1] = torch.cat([flats[-1], tail])
        self.processes.sum_tensors(flats)
        summed: list[float] = flats[-1][-len(tail) :].tolist()
        _hand_out(self.buckets, flats, is_present=summed[len(numbers) :])
        return summed[: len(numbers)]


def require_whole(model: nn.Module) -> None:
    """Refuse parameters that are split over processes: their gradients cannot be scored whole.

    Raises:
        LaunchError: names the first one.
    """
    for name, parameter in model.named_parameters():
        sharded = [mark for mark in SHARD_MARKS if hasattr(parameter, mark)]
        if sharded:
            raise LaunchError(
                f"{name} is sharded ({SHARD_MARKS[sharded[0]]}); every process must hold whole "
                "parameters: start with torchrun, --nproc, or accelerate launch --multi_gpu"
            )


def cut_buckets(parameters: Sequence[nn.Parameter], bucket_bytes: int) -> list[list[nn.Parameter]]:
    """Neighbouring parameters together, up to bucket_bytes each."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if not buckets or size > room:
            buckets.append([])
            room = bucket_bytes
        buckets[-1].append(parameter)
        room -= size
    return buckets


def _flatten(bucket: Sequence[nn.Parameter]) -> Tensor:
    return torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in bucket]
    )


def _hand_out(
    buckets: Sequence[Sequence[nn.Parameter]],
    flats: Sequence[Tensor],
    *,
    is_present: Sequence[float],
) -> None:
    """Gradients become views of the buffers: nothing is copied back."""
    present = iter(is_present)
    for bucket, flat in zip(buckets, flats, strict=True):
        sizes = [parameter.numel() for parameter in bucket]
        pieces = torch.split(flat[: sum(sizes)], sizes)
        for parameter, piece in zip(bucket, pieces, strict=True):
            parameter.grad = piece.view_as(parameter) if next(present) else None
