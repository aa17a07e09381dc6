"""The best answer spans of a batch of features, searched exactly, on the logits' own device.

A span is a start and an end token, both context, with start <= end < start + max_answer_length;
its score is start logit + end logit. Every such pair is searched: the best end of each start is a
sliding maximum, and since the k best spans begin at the k best starts, only those are opened. So
memory is (batch, k, band), not (batch, seq, seq).
Spans come best first; equal scores by lower start, then lower end.

Dims: batch: features; seq: tokens, padding included; k: spans kept; band: largest span, in tokens.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from qarank.errors import NonFiniteError


@dataclass(frozen=True)
class TopSpans:
    """The k best spans of each feature, best first.

    Attributes:
        start: (n, k) int64 token positions, counted as in the logits (padding included).
        end: (n, k) int64, the last token of the span.
        score: (n, k) float32; -inf where a feature has fewer than k spans (start, end then 0).
        null_score: (n,) float32, the "no answer" score: both logits at the CLS token.
    """

    start: Tensor
    end: Tensor
    score: Tensor
    null_score: Tensor


def top_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    is_context: Tensor,
    cls_position: Tensor,
    *,
    k: int,
    max_answer_length: int,
) -> TopSpans:
    """The k best spans of each row, and its null score.

    Args:
        start_logits: (batch, seq) float of any precision; searched in float32.
        end_logits: (batch, seq).
        is_context: (batch, seq) bool; logits elsewhere (but for CLS) are never read.
        cls_position: (batch,) int.
        k: spans a row, 1 or more.
        max_answer_length: tokens a span may have, 1 or more.

    Raises:
        NonFiniteError: a logit of the context or of CLS is NaN or infinite.
    """
    starts, ends = start_logits.float(), end_logits.float()
    cls_index = cls_position.to(torch.int64).unsqueeze(1)  # (batch, 1)
    _check_finite(starts, ends, is_context.scatter(1, cls_index, True))
    null_score = (starts.gather(1, cls_index) + ends.gather(1, cls_index)).squeeze(1)
    off_context = ~is_context
    starts = starts.masked_fill(off_context, -torch.inf)
    ends = ends.masked_fill(off_context, -torch.inf)
    start, end, score = _search(starts, ends, k, min(max_answer_length, starts.shape[1]))
    return TopSpans(start=start, end=end, score=score, null_score=null_score)


def _search(starts: Tensor, ends: Tensor, k: int, band: int) -> tuple[Tensor, Tensor, Tensor]:
    """(start, end, score), each (batch, k), of logits that are -inf off the context."""
    seq = starts.shape[1]
    padded = pad(ends, (0, band - 1), value=-torch.inf)  # (batch, seq + band - 1)
    best = starts + _sliding_max(padded, band)  # (batch, seq)
    opened = _best_places(best, min(k, seq)).sort(dim=1).values  # so that place tells the order
    row = torch.arange(len(starts), device=starts.device).unsqueeze(1)
    reach = padded.unfold(1, band, 1)[row, opened]  # (batch, min(k, seq), band), ends of each start
    scores = (starts.gather(1, opened).unsqueeze(2) + reach).flatten(1)
    place = _best_places(scores, min(k, scores.shape[1]))  # (batch, <= k)
    score = scores.gather(1, place)
    start = opened.gather(1, place // band)
    legal = score > -torch.inf
    start, end = start * legal, (start + place % band) * legal
    spare = (0, k - score.shape[1])
    return pad(start, spare), pad(end, spare), pad(score, spare, value=-torch.inf)


def _sliding_max(values: Tensor, band: int) -> Tensor:
    """(batch, n) -> (batch, n - band + 1), the largest of each band neighbours."""
    width = 1
    while 2 * width <= band:  # doubled: log2(band) passes instead of band
        values = torch.maximum(values[:, :-width], values[:, width:])
        width *= 2
    rest = band - width
    return torch.maximum(values[:, : values.shape[1] - rest], values[:, rest:])


def _best_places(scores: Tensor, k: int) -> Tensor:
    """(batch, k) int64, where each row's k largest stand, best first, ties by lower place.

    Selecting leaves ties open, so it is given whole numbers that hold score and place in one.
    """
    bits = (scores + 0.0).view(torch.int32)  # + 0.0: -0.0 ties with 0.0
    rising = bits >> 31  # in place from here: what is new each time costs more than the sums
    rising &= 0x7FFFFFFF
    rising ^= bits  # int32 that order as the floats do
    size = scores.shape[1]
    keys = rising.to(torch.int64)
    keys <<= 32
    keys |= torch.arange(size - 1, -1, -1, device=scores.device)
    return size - 1 - (_largest(keys, k) & 0xFFFFFFFF)


def _largest(keys: Tensor, k: int) -> Tensor:
    """(batch, k), each row's k largest, falling; on a CPU by numpy, whose selection is faster."""
    if keys.device.type != "cpu":
        return keys.topk(k, dim=1).values
    rest = keys.shape[1] - k
    top = np.partition(keys.numpy(), rest, axis=1)[:, rest:] if rest else keys.numpy()
    return torch.from_numpy(np.sort(top, axis=1)[:, ::-1].copy())


def _check_finite(starts: Tensor, ends: Tensor, read: Tensor) -> None:
    bad = ~torch.isfinite(starts + ends) & read  # (batch, seq); one of them is enough
    if bool(bad.any()):
        rows = bad.any(dim=1).nonzero().flatten().tolist()
        shown = ", ".join(map(str, rows[:8])) + (", ..." if len(rows) > 8 else "")
        raise NonFiniteError(
            f"logits are NaN or infinite in {len(rows)} of {len(bad)} features of the batch, "
            f"rows {shown}; only finite logits can be decoded"
        )
