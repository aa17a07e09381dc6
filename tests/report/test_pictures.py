import io

import matplotlib.image
import numpy as np
import pytest

from qarank.report.pictures import draw_pictures, plan_plates
from tests.report.studies import STUDIES, many_kinds

DRAWN = {
    "many kinds": ["budget.png", "learning_curves.png", "ranks.png", "trajectories.png"],
    "sixteen points": ["budget.png", "learning_curves.png", "ranks.png", "trajectories.png"],
    "nothing finished": [],
    "v1, one seed": ["budget.png", "learning_curves.png"],
}


@pytest.mark.parametrize("name", STUDIES)
def test_what_there_is_something_to_draw_of_is_drawn(name: str) -> None:
    pictures = draw_pictures(STUDIES[name])
    assert list(pictures) == DRAWN[name]
    for png in pictures.values():
        pixels = np.asarray(matplotlib.image.imread(io.BytesIO(png)))[..., :3]
        edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        assert all((edge == 1).all() for edge in edges), "nothing is cut"
        assert (pixels < 0.5).any()


def test_the_same_results_make_the_same_pictures() -> None:
    assert draw_pictures(many_kinds()) == draw_pictures(many_kinds())


@pytest.mark.parametrize("name", STUDIES)
def test_no_two_panels_share_a_name(name: str) -> None:
    plates = [plate for group in plan_plates(STUDIES[name]).values() for plate in group]
    names = [panel.name for plate in plates for panel in plate.panels]
    assert len(names) == len(set(names))
