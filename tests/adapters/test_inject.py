import pytest
import torch
from torch import Tensor, nn

from qarank.adapters.inject import inject_adapters, linear_paths, trainable_parameters
from qarank.adapters.lora import LoRALinear
from qarank.adapters.svd import SVDLinear
from qarank.errors import AdapterError


class Reader(nn.Module):
    """A base whose names invite mistakes: lora_x and qa_outputs2 are the base's own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lora_x = nn.Parameter(torch.randn(4))
        self.body = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 4, bias=False))
        self.lora_A = nn.Linear(4, 4)
        self.qa_outputs2 = nn.Linear(4, 4)
        self.qa_outputs = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.qa_outputs(self.qa_outputs2(self.lora_A(self.body(x + self.lora_x))))


def build_svd(_: str, linear: nn.Linear) -> SVDLinear:
    return SVDLinear(linear, r=2, alpha=4)


def build_frd(_: str, linear: nn.Linear) -> LoRALinear:
    return LoRALinear(linear, r=2, alpha=4)


def test_linears_are_listed_in_the_models_order() -> None:
    paths = ["body.0", "body.2", "lora_A", "qa_outputs2", "qa_outputs"]
    assert linear_paths(Reader()) == paths


def test_modules_outside_are_left_out_with_all_below_them_and_no_namesake() -> None:
    paths = linear_paths(Reader(), outside=["qa_outputs", "body"])
    assert paths == ["lora_A", "qa_outputs2"]


@pytest.mark.parametrize("build", [build_svd, build_frd])
def test_adapters_and_head_train_and_nothing_else_whatever_it_is_called(build) -> None:  # type: ignore[no-untyped-def]
    model = Reader()
    inject_adapters(model, ["body.2", "body.0"], head=["qa_outputs"], build=build)
    factors = {"lora_A", "lora_B"} | ({"lora_E"} if build is build_svd else set())
    of_adapters = {f"body.{n}.{factor}" for n in (0, 2) for factor in factors}
    names = set(trainable_parameters(model))
    assert names == of_adapters | {"qa_outputs.weight", "qa_outputs.bias"}


@pytest.mark.parametrize("whole", [True, False], ids=["module", "weight"])
def test_a_linear_that_two_names_share_is_refused(whole: bool) -> None:
    model = Reader()
    if whole:
        model.qa_outputs2 = model.lora_A
    else:
        model.qa_outputs2.weight = model.lora_A.weight
    what = r"^lora_A\.weight is qa_outputs2\.weight as well.* leave it out of adapter"
    with pytest.raises(AdapterError, match=what):
        inject_adapters(model, ["body.0", "lora_A"], head=["qa_outputs"], build=build_svd)
    assert isinstance(model.body[0], nn.Linear), "nothing is changed"
    inject_adapters(model, ["body.0"], head=["qa_outputs"], build=build_svd)


def test_a_step_moves_what_trains_and_leaves_the_base_bit_for_bit() -> None:
    model, before = Reader(), Reader().state_dict()
    inject_adapters(model, ["body.0"], head=["qa_outputs"], build=build_svd)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randn(3, 4)).square().sum().backward()
    optimizer.step()
    for name, value in model.state_dict().items():
        base_name = name.replace(".base_layer", "")
        if base_name in before and not name.startswith("qa_outputs."):
            assert torch.equal(value, before[base_name]), name
    assert not torch.equal(model.qa_outputs.weight, before["qa_outputs.weight"])
    assert model.get_parameter("body.0.lora_E").any()


def test_a_fresh_injection_is_bit_for_bit_the_base() -> None:
    model, x = Reader(), torch.randn(5, 4)
    expected = model(x)
    paths = linear_paths(model, outside=["qa_outputs"])
    inject_adapters(model, paths, head=["qa_outputs"], build=build_svd)
    assert torch.equal(model.train()(x), expected)
    assert torch.equal(model.eval()(x), expected)


def test_the_layers_returned_are_those_in_the_model_in_the_order_asked_for() -> None:
    model, told = Reader(), []

    def build(path: str, linear: nn.Linear) -> SVDLinear:
        told.append((path, linear.out_features))
        return build_svd(path, linear)

    layers = inject_adapters(model, ["body.2", "lora_A"], head=[], build=build)
    assert list(layers) == ["body.2", "lora_A"]
    assert all(model.get_submodule(path) is layer for path, layer in layers.items())
    assert told == [("body.2", 4), ("lora_A", 4)]


def test_without_paths_the_head_trains_alone() -> None:
    model = Reader()
    assert inject_adapters(model, [], head=["qa_outputs"], build=build_svd) == {}
    assert set(trainable_parameters(model)) == {"qa_outputs.weight", "qa_outputs.bias"}


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(AdapterError, match="^nothing would train"):
        inject_adapters(Reader(), [], head=[], build=build_svd)


def test_only_linears_are_adapted() -> None:
    with pytest.raises(AdapterError, match="^body.1 is a LayerNorm; only nn.Linear is adapted$"):
        inject_adapters(Reader(), ["body.1"], head=["qa_outputs"], build=build_svd)


def test_a_linear_is_adapted_once() -> None:
    with pytest.raises(AdapterError, match="^body.0 is a SVDLinear; only"):
        inject_adapters(Reader(), ["body.0", "body.0"], head=["qa_outputs"], build=build_svd)
