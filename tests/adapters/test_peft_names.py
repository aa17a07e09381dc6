import subprocess
import sys

import pytest

from qarank.adapters.peft_names import PREFIX, UpdateShape, read_update_shapes
from qarank.errors import AdapterError

PATH = "bert.encoder.layer.0.output.dense"


def test_each_matrix_has_the_rank_and_size_of_its_factors() -> None:
    shapes = {
        f"{PREFIX}{PATH}.lora_A.weight": (3, 48),
        f"{PREFIX}{PATH}.lora_B.weight": (32, 3),
        f"{PREFIX}pooler.lora_A": (0, 8),
        f"{PREFIX}pooler.lora_B": (16, 0),
        f"{PREFIX}pooler.lora_E": (0, 1),
        f"{PREFIX}qa_outputs.weight": (2, 32),
    }
    assert read_update_shapes(shapes) == {
        PATH: UpdateShape(3, 48, 32),
        "pooler": UpdateShape(0, 8, 16),
    }


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"q.lora_A.weight": (3, 8)}, "no matrix lora_B of q"),
        ({"q.lora_B.weight": (8, 3)}, "no matrix lora_A of q"),
        ({"q.lora_A.weight": (3,), "q.lora_B.weight": (8, 3)}, "no matrix lora_A of q"),
        ({"q.lora_A.weight": (3, 8), "q.lora_B.weight": (8, 2)}, "rank 3, lora_B of rank 2"),
    ],
)
def test_factors_that_make_no_update_are_told_by_name(
    shapes: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(AdapterError, match=message):
        read_update_shapes(shapes)


def test_names_are_read_without_torch() -> None:
    code = "import sys, qarank.adapters.peft_names; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
