import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qarank.workflows.fingerprint import (
    find_content_change,
    fingerprint,
    fingerprint_model,
    fingerprint_parts,
    fingerprint_run,
)
from qarank.workflows.model_source import ModelSource
from qarank.workflows.prepare import Prepared


def test_the_same_data_have_the_same_fingerprint_and_each_part_its_own(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    found = fingerprint_parts(prepare_tiny())
    assert found == fingerprint_parts(prepare_tiny())
    assert set(found) == {"train", "validation"}
    assert len(set(found.values())) == 2


def test_one_answer_id_or_order_changed_is_another_fingerprint(
    prepare_tiny: Callable[..., Prepared],
) -> None:
    part = prepare_tiny().train
    first, second, *rest = part.examples
    others = [
        [replace(first, answers=("other",)), second, *rest],
        [replace(first, id="other"), second, *rest],
        [second, first, *rest],
    ]
    found = {
        fingerprint(replace(part, data=replace(part.data, examples=examples)))
        for examples in others
    }
    assert len(found | {fingerprint(part)}) == 4


def test_another_length_is_another_fingerprint(prepare_tiny: Callable[..., Prepared]) -> None:
    data = {"source": "sample:almanac", "max_train_examples": 64, "doc_stride": 32}
    long, short = (prepare_tiny(data={**data, "max_seq_length": n}).train for n in (160, 128))
    assert fingerprint(long) != fingerprint(short)


@pytest.fixture
def own_model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be changed at will."""
    return shutil.copytree(tiny_model_dir, tmp_path / "own_model")


def test_a_model_is_told_apart_by_config_and_weights_not_by_where_it_is(
    own_model: Path, tiny_model_dir: Path
) -> None:
    first = fingerprint_model(ModelSource(str(tiny_model_dir), {}))
    source = ModelSource(str(own_model), {})
    assert fingerprint_model(source) == first
    (own_model / "README.md").write_text("a note")
    assert fingerprint_model(source) == first
    weights = own_model / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # one bit, the same size
    assert fingerprint_model(source) != first
    weights.write_bytes(content)
    assert fingerprint_model(source) == first
    config = own_model / "config.json"
    config.write_text(config.read_text().replace("1e-12", "1e-5"))
    assert fingerprint_model(source) != first


def test_a_model_of_the_hub_has_none(prepare_tiny: Callable[..., Prepared]) -> None:
    prepared = prepare_tiny()
    assert fingerprint_model(ModelSource("an/owner", {"revision": "main"})) is None
    found = fingerprint_run(prepared)
    assert set(found) == {"train", "validation", "model"}
    hub = replace(prepared, source=ModelSource("an/owner", {}))
    assert fingerprint_run(hub) == fingerprint_parts(prepared)


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ({"train": "a", "model": "m"}, ""),
        ({"train": "b", "model": "m"}, "the train data"),
        ({"train": "a", "validation": "v", "model": "m"}, "the validation data"),
        ({"train": "a", "model": "n"}, "the model's files"),
        ({"train": "b", "model": "n"}, "the train data"),
        ({"train": "a"}, ""),
    ],
)
def test_what_has_changed_is_named_both_ways(now: dict[str, str], what: str) -> None:
    were = {"train": "a", "model": "m"}
    assert find_content_change(were, now) == what
    assert find_content_change(now, were) == what
