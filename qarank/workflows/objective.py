"""The engine's loss, made of a reader's logits and squad's idea of what is right."""

from torch import Tensor, nn

from qarank.engine.hooks import Batch
from qarank.squad.loss import span_loss


def sum_span_losses(model: nn.Module, batch: Batch) -> Tensor:
    """The engine's loss: what squad.loss says of the model's logits."""
    labels = ("start_positions", "end_positions")
    output = model(**{name: tensor for name, tensor in batch.items() if name not in labels})
    return span_loss(
        output.start_logits,
        output.end_logits,
        *(batch[name] for name in labels),
        is_token=batch["attention_mask"].bool(),
    )
