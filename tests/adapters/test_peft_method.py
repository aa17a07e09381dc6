from typing import Any

import pytest

from qarank.adapters.peft_method import check_method
from qarank.errors import AdapterError

LORA = {"peft_type": "LORA", "lora_alpha": 6, "target_modules": ["dense"]}


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; LORA and ADALORA are read"),
        ({}, "peft_type is None"),
        (LORA | {"use_dora": True}, "use_dora cannot be read: DoRA scales"),
        (LORA | {"fan_in_fan_out": True}, "fan_in_fan_out cannot be read"),
        (LORA | {"alora_invocation_tokens": [7]}, "it acts after certain tokens alone"),
        (LORA | {"use_qalora": True}, "it averages its inputs"),
        (LORA | {"use_bdlora": {"nblocks": 2}}, "its factors are diagonal blocks"),
        (LORA | {"arrow_config": {"top_k": 2}}, "it mixes several adapters"),
        *(
            (LORA | {"init_lora_weights": start}, f"is '{start}', which changed the base's weights")
            for start in ("pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga")
        ),
    ],
)
def test_a_method_that_is_not_read_is_refused(config: dict[str, Any], line: str) -> None:
    with pytest.raises(AdapterError, match=rf"^adapter_config\.json: .*{line}"):
        check_method(config)


@pytest.mark.parametrize("start", [True, False, None, "gaussian", "orthogonal", "eva", "mica"])
def test_a_start_that_left_the_base_alone_is_read(start: object) -> None:
    check_method(LORA | {"init_lora_weights": start})
