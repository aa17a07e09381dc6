from collections.abc import Callable
from dataclasses import replace

from qarank.workflows.fingerprint import fingerprint, fingerprint_parts
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
