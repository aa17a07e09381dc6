from pathlib import PurePosixPath

from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from transformers.utils import CONFIG_NAME as FULL_CONFIG_NAME

from qarank.artifacts import names


def test_no_two_things_share_a_file() -> None:
    values = [value for name, value in vars(names).items() if name.isupper()]
    assert len(set(values)) == len(values) >= 10


def test_names_stay_inside_their_folder() -> None:
    for name, value in vars(names).items():
        if name.isupper():
            path = PurePosixPath(value)
            assert not path.is_absolute() and ".." not in path.parts, name


def test_adapter_files_have_the_names_peft_looks_for() -> None:
    assert (names.ADAPTER_CONFIG, names.ADAPTER_WEIGHTS) == (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME)


def test_a_full_models_config_has_the_name_transformers_looks_for() -> None:
    assert names.FULL_MODEL_CONFIG == FULL_CONFIG_NAME
