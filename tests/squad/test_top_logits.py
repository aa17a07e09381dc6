import numpy as np
import pytest

from qarank.errors import NonFiniteError
from qarank.squad.top_logits import join_top_logits, keep_top_logits

LOGITS = np.random.default_rng(0).normal(size=(2, 5, 12)).astype(np.float32)
NO_SHIFT = np.zeros(5, dtype=np.int64)


def test_the_highest_stand_first_with_their_logits() -> None:
    top = keep_top_logits(*LOGITS, NO_SHIFT, n_best_size=4)
    for row in range(5):
        assert top.start[row].tolist() == np.argsort(LOGITS[0, row])[::-1][:4].tolist()
        assert top.end_logit[row].tolist() == sorted(LOGITS[1, row].tolist(), reverse=True)[:4]
    assert top.null_logits.tolist() == LOGITS[:, :, 0].T.tolist()


def test_a_short_row_has_no_more_than_it_holds() -> None:
    assert keep_top_logits(*LOGITS, NO_SHIFT, n_best_size=20).start.shape == (5, 12)


def test_positions_are_counted_from_the_features_first_token() -> None:
    shift = np.array([0, 3, 0, 1, 0])
    moved = keep_top_logits(*LOGITS, shift, n_best_size=3)
    plain = keep_top_logits(*LOGITS, NO_SHIFT, n_best_size=3)
    assert (plain.start - moved.start == shift[:, None]).all()
    assert (plain.end - moved.end == shift[:, None]).all()
    assert (plain.null_logits == moved.null_logits).all(), "run_qa reads the padded row's first"


def test_parts_come_back_in_table_order() -> None:
    order = np.array([3, 0, 4, 1, 2])
    rows = [order[:2], order[2:]]
    parts = [
        keep_top_logits(*LOGITS[:, some], np.zeros(len(some), np.int64), n_best_size=3)
        for some in rows
    ]
    joined = join_top_logits(parts, order)
    whole = keep_top_logits(*LOGITS, NO_SHIFT, n_best_size=3)
    assert (joined.start == whole.start).all() and (joined.end_logit == whole.end_logit).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(bad: float) -> None:
    broken = LOGITS.copy()
    broken[1, 2, 7] = bad
    with pytest.raises(NonFiniteError, match="NaN or infinite in 1 of 5 features of the batch"):
        keep_top_logits(*broken, NO_SHIFT, n_best_size=3)
