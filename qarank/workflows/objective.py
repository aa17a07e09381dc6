"""The engine's loss, made of a reader's logits and squad's idea of what is right."""

import torch
from torch import Tensor, nn

from qarank.engine.hooks import Batch
from qarank.squad.loss import span_loss


def sum_span_losses(model: nn.Module, batch: Batch) -> Tensor:
    """The engine's loss: what squad.loss says of the model's logits.

    It is NaN where any logit of a token is not finite, though one at minus infinity that is no
    label would leave a loss as it is.
    """
    labels = ("start_positions", "end_positions")
    output = model(**{name: tensor for name, tensor in batch.items() if name not in labels})
    is_token = batch["attention_mask"].bool()
    loss = span_loss(
        output.start_logits,
        output.end_logits,
        *(batch[name] for name in labels),
        is_token=is_token,
    )
    logits = torch.stack([output.start_logits, output.end_logits]).detach()
    return loss + 0.0 * logits.masked_fill(~is_token, 0.0).sum()
