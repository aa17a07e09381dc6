import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qarank.adapters.layer import AdaptedLinear
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.errors import AdapterError

KINDS = pytest.mark.parametrize("kind", [LoRALinear, SVDLinear])
IN, OUT, R, ALPHA = 7, 5, 4, 6.0
KEEP = torch.tensor([True, False, True, False])


def fresh(
    kind: type[AdaptedLinear], *, dtype: torch.dtype = torch.float32, dropout: float = 0.0
) -> AdaptedLinear:
    torch.manual_seed(3)
    return kind(nn.Linear(IN, OUT, dtype=dtype), r=R, alpha=ALPHA, dropout=dropout)


@torch.no_grad()
def trained(kind: type[AdaptedLinear], *, dtype: torch.dtype = torch.float32) -> AdaptedLinear:
    """As after training: no low-rank entry is zero."""
    layer = fresh(kind, dtype=dtype)
    for parameter in layer.low_rank_parameters():
        parameter.normal_()
    return layer


def regrown(kind: type[AdaptedLinear]) -> AdaptedLinear:
    """Masked, with weights that an optimizer step has given back since."""
    layer = trained(kind)
    before = [parameter.detach().clone() for parameter in layer.low_rank_parameters()]
    layer.keep_triplets(KEEP)
    with torch.no_grad():
        for parameter, value in zip(layer.low_rank_parameters(), before, strict=True):
            parameter.copy_(value)
    return layer


def plain_update(layer: AdaptedLinear, keep: Tensor) -> Tensor:
    """alpha / r0 times the sum of the kept triplets' outer products, one by one."""
    total = torch.zeros(OUT, IN, dtype=torch.float64)
    for i in keep.nonzero().flatten().tolist():
        scale = 1.0 if layer.lora_E is None else layer.lora_E[i].item()
        total += scale * torch.outer(layer.lora_B[:, i], layer.lora_A[i]).double()
    return (ALPHA / R * total).float()


@KINDS
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_fresh_adapter_is_bit_for_bit_the_base(
    kind: type[AdaptedLinear], training: bool, dtype: torch.dtype, dropout: float
) -> None:
    layer = fresh(kind, dtype=dtype, dropout=dropout).train(training)
    x = torch.randn(2, 3, IN, dtype=dtype)
    assert torch.equal(layer(x), layer.base_layer(x))
    assert layer(x).dtype == dtype
    assert not layer.delta_weight().any()


@KINDS
@pytest.mark.parametrize("training", [True, False])
def test_the_update_is_the_sum_of_its_triplets_scaled_by_alpha_over_r(
    kind: type[AdaptedLinear], training: bool
) -> None:
    layer = trained(kind).train(training)
    torch.testing.assert_close(layer.delta_weight(), plain_update(layer, torch.ones(R)))


@KINDS
def test_forward_adds_exactly_the_delta_weight(kind: type[AdaptedLinear]) -> None:
    layer, x = trained(kind), torch.randn(2, 3, IN)
    expected = layer.base_layer(x) + F.linear(x, layer.delta_weight())
    torch.testing.assert_close(layer(x), expected)


@KINDS
def test_masked_triplets_are_silent_in_eval_mode_and_speak_in_training(
    kind: type[AdaptedLinear],
) -> None:
    layer, x = regrown(kind), torch.randn(3, IN)
    base = layer.base_layer(x)
    whole, kept = plain_update(layer, torch.ones(R)), plain_update(layer, KEEP)
    torch.testing.assert_close(layer.train()(x), base + F.linear(x, whole))
    torch.testing.assert_close(layer.eval()(x), base + F.linear(x, kept))


@KINDS
@pytest.mark.parametrize("training", [True, False])
def test_what_is_merged_or_exported_is_masked_in_either_mode(
    kind: type[AdaptedLinear], training: bool
) -> None:
    layer = regrown(kind).train(training)
    kept = plain_update(layer, KEEP)
    torch.testing.assert_close(layer.delta_weight(), kept)
    plain = layer.to_plain_lora()
    torch.testing.assert_close(plain.alpha / 2 * plain.lora_B @ plain.lora_A, kept)


@KINDS
def test_plain_lora_holds_the_kept_triplets_alone_at_the_first_ranks_scale(
    kind: type[AdaptedLinear],
) -> None:
    layer = trained(kind)
    layer.keep_triplets(KEEP)
    plain = layer.to_plain_lora()
    assert plain.lora_A.shape == (2, IN) and plain.lora_B.shape == (OUT, 2)
    assert plain.alpha / 2 == layer.scaling == ALPHA / R


@KINDS
def test_a_matrix_of_rank_zero_is_its_base(kind: type[AdaptedLinear]) -> None:
    layer, x = regrown(kind), torch.randn(3, IN)
    layer.keep_triplets(torch.zeros(R, dtype=torch.bool))
    assert layer.rank == 0
    assert torch.equal(layer.eval()(x), layer.base_layer(x))
    assert torch.equal(layer.train()(x), layer.base_layer(x))
    plain = layer.to_plain_lora()
    assert plain.lora_A.shape == (0, IN) and plain.lora_B.shape == (OUT, 0) and plain.alpha == 0


@KINDS
def test_cutting_leaves_the_kept_triplets_bit_for_bit(kind: type[AdaptedLinear]) -> None:
    layer, untouched = trained(kind), trained(kind)
    layer.keep_triplets(KEEP)
    assert layer.rank == 2 and layer.rank_mask.tolist() == KEEP.tolist()
    ours, theirs = layer.raw_factors(), untouched.raw_factors()
    assert torch.equal(ours[0][KEEP], theirs[0][KEEP])
    assert torch.equal(ours[1][:, KEEP], theirs[1][:, KEEP])


@KINDS
def test_a_mask_may_give_triplets_back(kind: type[AdaptedLinear]) -> None:
    layer = trained(kind)
    layer.keep_triplets(KEEP)
    layer.keep_triplets(~KEEP)
    assert layer.rank_mask.tolist() == (~KEEP).tolist()
    assert not layer.delta_weight().any()  # their weights are gone till training regrows them


@KINDS
def test_weight_bias_and_sizes_of_the_base_are_still_offered(kind: type[AdaptedLinear]) -> None:
    layer = fresh(kind, dtype=torch.bfloat16)
    assert layer.weight is layer.base_layer.weight and layer.bias is layer.base_layer.bias
    assert (layer.in_features, layer.out_features) == (IN, OUT)
    assert layer.weight.dtype == torch.bfloat16
    assert kind(nn.Linear(IN, OUT, bias=False), r=1, alpha=1, dropout=0.0).bias is None


@KINDS
def test_only_the_low_rank_weights_get_gradients_and_they_are_float32(
    kind: type[AdaptedLinear],
) -> None:
    layer = trained(kind, dtype=torch.bfloat16)
    layer(torch.randn(3, IN, dtype=torch.bfloat16)).float().square().sum().backward()
    assert layer.weight.grad is None and not layer.weight.requires_grad
    assert layer.bias is not None and layer.bias.grad is None
    for parameter in layer.low_rank_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None and parameter.grad.any()


@KINDS
def test_a_half_precision_base_gives_the_same_up_to_rounding(kind: type[AdaptedLinear]) -> None:
    layer, x = trained(kind, dtype=torch.bfloat16), torch.randn(3, IN).bfloat16()
    assert layer.bias is not None
    merged = layer.weight.float() + layer.delta_weight()
    exact = F.linear(x.float(), merged, layer.bias.float())
    allowed = 2**-6 * exact.abs().max().item()  # bfloat16 has 8 bits
    torch.testing.assert_close(layer(x).float(), exact, atol=allowed, rtol=0)


@KINDS
def test_dropout_thins_the_updates_input_in_training_alone(kind: type[AdaptedLinear]) -> None:
    dropping, plain, x = fresh(kind, dropout=0.5), trained(kind), torch.ones(1, IN)
    dropping.load_state_dict(plain.state_dict())
    assert torch.equal(dropping.eval()(x), plain.eval()(x))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        thinned = F.dropout(x, 0.5)
        torch.manual_seed(0)
        found = dropping.train()(x)
    assert not torch.equal(thinned, x)
    torch.testing.assert_close(found, plain.base_layer(x) + F.linear(thinned, plain.delta_weight()))


@KINDS
def test_the_mask_travels_with_the_weights(kind: type[AdaptedLinear]) -> None:
    layer, other = trained(kind), fresh(kind)
    layer.keep_triplets(KEEP)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.delta_weight(), layer.delta_weight()) and other.rank == 2


@KINDS
@pytest.mark.parametrize("training", [True, False])
def test_an_adapter_goes_to_another_device_whole(kind: type[AdaptedLinear], training: bool) -> None:
    layer = trained(kind).train(training).to("meta")
    layer.keep_triplets(KEEP.to("meta"))
    layer.cut_masked()
    assert layer(torch.ones(2, IN, device="meta")).device.type == "meta"
    assert layer.delta_weight().device.type == "meta"


@KINDS
@pytest.mark.parametrize("r", [1, OUT])
def test_r_may_be_as_large_as_the_smaller_side(kind: type[AdaptedLinear], r: int) -> None:
    assert kind(nn.Linear(IN, OUT), r=r, alpha=1, dropout=0.0).rank == r


@KINDS
@pytest.mark.parametrize("r", [-1, 0, OUT + 1])
def test_r_out_of_range_is_told_with_what_is_allowed(kind: type[AdaptedLinear], r: int) -> None:
    with pytest.raises(AdapterError, match=rf"^adapter\.r is {r}; .* allows 1\.\.{OUT}$"):
        kind(nn.Linear(IN, OUT), r=r, alpha=1, dropout=0.0)
