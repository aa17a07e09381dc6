import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.config.load import parse_recipe
from qarank.config.published import PublishedFigures
from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points, label_points
from qarank.errors import RecipeError

SNOWMAN = "\N{SNOWMAN}"  # three bytes


def sweep_recipe(**sweep: object) -> Recipe:
    mapping = {
        "name": "study",
        "runs_dir": "out",
        "model": {"name_or_path": "m"},
        "data": {"source": "squad"},
        "adapter": {"type": "svd", "r": 8, "dropout": 0.1},
        "allocator": {"type": "adalora", "target_r": 4, "tinit": 10},
        "train": {"epochs": 1},
        "sweep": sweep,
    }
    return parse_recipe(mapping, "study.yaml")


def names_of(**sweep: object) -> list[str]:
    return [point.name for point in expand_points(sweep_recipe(**sweep))]


def refusal(**sweep: object) -> str:
    with pytest.raises(RecipeError) as caught:
        expand_points(sweep_recipe(**sweep))
    return str(caught.value)


def test_points_are_zipped_and_seeds_multiply_them() -> None:
    points = expand_points(
        sweep_recipe(
            points=[
                {"adapter.r": 2, "allocator.target_r": 1},
                {"adapter.r": 12, "allocator.target_r": 8},
            ],
            seeds=[9, 3],
        )
    )
    assert [point.name for point in points] == [
        "r2_target_r1_seed9",
        "r2_target_r1_seed3",
        "r12_target_r8_seed9",
        "r12_target_r8_seed3",
    ]
    last = points[-1].recipe
    assert (last.adapter.r, last.allocator.target_r, last.seed) == (12, 8, 3)


def test_a_point_is_a_whole_recipe_with_its_own_place_and_no_sweep() -> None:
    (point, _) = expand_points(sweep_recipe(seeds=[1, 2]))
    assert (point.recipe.name, point.recipe.runs_dir) == ("seed1", "out/study")
    assert point.recipe.sweep is None
    assert point.recipe.adapter.dropout == 0.1


def test_a_grid_is_every_combination_the_last_key_fastest() -> None:
    assert names_of(grid={"adapter.r": [6, 8], "allocator.beta2": [0.0, 0.85]}) == [
        "r6_beta20.0",
        "r6_beta20.85",
        "r8_beta20.0",
        "r8_beta20.85",
    ]


def test_a_mapping_replaces_the_whole_section() -> None:
    lora, adalora = expand_points(
        sweep_recipe(
            points=[
                {"name": "lora", "adapter": {"type": "frd"}, "allocator": {"type": "none"}},
                {"name": "adalora", "adapter.r": 6},
            ]
        )
    )
    assert (lora.name, adalora.name) == ("lora", "adalora")
    assert (lora.recipe.adapter.dropout, adalora.recipe.adapter.dropout) == (0.0, 0.1)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        ([{"adapter.r": 1, "seed": 3}, {"adapter.r": 2, "seed": 3}], ["r1", "r2"]),
        ([{"adapter.r": 1}], ["r1"]),
        ([{"a.x": 1, "b.x": 1}, {"a.x": 2, "b.x": 1}, {"a.x": 1, "b.x": 2}], None),
        ([{"adapter": {"type": "frd", "r": 4}}, {"adapter.r": 2}], ["type-frd_r4", "r2"]),
        ([{"t.compile": True}, {"t.compile": None}], ["compile-true", "compile-null"]),
        ([{"a.m": ["q", "v"]}, {"a.m": ["q"]}], ["m-q-v", "m-q"]),
        ([{}], ["point"]),
    ],
)
def test_a_label_says_in_what_the_points_differ(
    points: list[dict[str, object]], labels: list[str] | None
) -> None:
    assert label_points(points, num_seeds=0) == (labels or ["a_x1_b_x1", "a_x2_b_x1", "a_x1_b_x2"])


@given(values=st.lists(st.text(), min_size=2, max_size=5, unique=True))
def test_labels_are_file_safe_short_and_apart(values: list[str]) -> None:
    labels = label_points([{"a.b": value} for value in values], num_seeds=0)
    assert len(set(labels)) == len(values)
    assert all(label.isascii() and len(label) <= 80 and "/" not in label for label in labels)
    assert labels == label_points([{"a.b": value} for value in values], num_seeds=0)


def groups_of(**sweep: object) -> list[str]:
    return [point.group for point in expand_points(sweep_recipe(**sweep))]


def test_runs_that_differ_in_their_seed_alone_are_one_group() -> None:
    assert groups_of(points=[{"adapter.r": 6}, {"name": "big", "adapter.r": 9}], seeds=[1, 2]) == [
        *("r6", "r6", "big", "big"),
    ]


@pytest.mark.parametrize(
    ("sweep", "groups"),
    [
        ({"seeds": [1, 2]}, ["study", "study"]),
        ({"points": [{"seed": 1}, {"seed": 2}]}, ["study", "study"]),
        ({"grid": {"adapter.r": [6, 8], "seed": [1, 2]}}, ["r6", "r6", "r8", "r8"]),
        ({"points": [{"adapter.r": 6, "seed": 3}, {"adapter.r": 8, "seed": 3}]}, ["r6", "r8"]),
        ({"points": [{"name": "a", "seed": 3}, {"name": "b", "seed": 4}]}, ["a", "b"]),
    ],
)
def test_a_group_is_named_as_its_runs_without_the_seed(
    sweep: dict[str, object], groups: list[str]
) -> None:
    assert groups_of(**sweep) == groups


PAPER = {"exact": 86.0, "f1": 88.9, "source": "a paper"}


def test_a_name_of_200_bytes_is_allowed() -> None:
    assert names_of(points=[{"name": "x" * 200}]) == ["x" * 200]


def test_published_figures_stand_beside_a_group_and_change_no_run() -> None:
    carrying = expand_points(
        sweep_recipe(points=[{"adapter.r": 6, "published": PAPER}, {"adapter.r": 9}], seeds=[1, 2])
    )
    plain = expand_points(sweep_recipe(points=[{"adapter.r": 6}, {"adapter.r": 9}], seeds=[1, 2]))
    figures = PublishedFigures(exact=86.0, f1=88.9, source="a paper")
    assert [point.published for point in carrying] == [figures, figures, None, None]
    assert [point.recipe for point in carrying] == [point.recipe for point in plain]
    assert [point.name for point in carrying] == [point.name for point in plain]


def test_a_point_with_nothing_but_published_figures_is_the_sweeps_own_settings() -> None:
    (point,) = expand_points(sweep_recipe(points=[{"published": PAPER}]))
    assert (point.name, point.group, point.published.exact) == ("point", "study", 86.0)


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            {**PAPER, "year": 2023},
            "unknown key published.year; known keys: published.source, published",
        ),
        ({**PAPER, "exat": 86.0}, "unknown key published.exat; did you mean published.exact?"),
        ({"exact": 86.0}, "missing key published.source: Where the figures stand, as arXiv:"),
        ({"source": "x"}, "published holds no figure; give exact, f1 or both, in per cent"),
        (
            {**PAPER, "f1": 889.0},
            "published.f1 is 889.0; it must be a number at least 0 and at most 100, or null",
        ),
        ({**PAPER, "f1": "88.9"}, "published.f1 is the text '88.9'; it must be a number at least"),
        ({"f1": -1, "exact": 101, "source": "x"}, "published.exact is 101; it must be a number"),
        ("86.0/88.9", "published is the text '86.0/88.9'; it must be a mapping"),
    ],
)
def test_wrong_published_figures_are_told_in_one_line(figures: object, line: str) -> None:
    found = refusal(points=[{"adapter.r": 6, "published": figures}])
    assert found.startswith(f"study, sweep point 1 (r6): {line}")
    assert "\n" not in found


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        (
            {"grid": {"adapter.r": [6, 8], "published": [PAPER, PAPER]}},
            "study: a grid has no published figures; list the runs in sweep.points",
        ),
        (
            {
                "points": [
                    {"adapter.r": 6, "seed": 1, "published": PAPER},
                    {"adapter.r": 6, "seed": 2, "published": {**PAPER, "f1": 88.8}},
                ]
            },
            "study: points of r6 carry other published figures",
        ),
        (
            {"points": [{"name": "r6", "adapter.r": 9}, {"adapter.r": 6, "seed": 2}]},
            "study: two sweep points are named r6 but for seeds",
        ),
        (
            {"points": [{"adapter.r": 8}, {"adapter.r": 8}]},
            "study: two sweep points are named r8; give each another name",
        ),
        (
            {"points": [{"name": "A"}, {"name": "a"}]},
            "study: two sweep points are named A; give each another name",
        ),
        (
            {"points": [{"adapter.rank": 1}]},
            "study, sweep point 1 (rank1): unknown key adapter.rank; known keys: adapter.type,",
        ),
        (
            {"points": [{"adapter.r": 8}, {"adapter.r": 3}]},
            "study, sweep point 2 (r3): allocator.target_r is 4; it must be at most adapter.r, 3",
        ),
        ({"points": [{"name": "a/b"}]}, "study, sweep point 1 (a/b): name is 'a/b'; it names a"),
        (
            {"points": [{"adapter.r": 6}, {"name": "x" * 196}], "seeds": [1]},
            "study, sweep point 2: its name, xxxxxxxxxxxxxxxxxxxx..., has 202 bytes; at most 200",
        ),
        (
            {"points": [{"name": SNOWMAN * 67}]},
            f"study, sweep point 1: its name, {20 * SNOWMAN}..., has 201 bytes; at most 200",
        ),
        ({"points": [{"sweep.seeds": [1]}]}, "study, sweep point 1: sweep.seeds belongs to the"),
        ({"points": [{"runs_dir": "x"}]}, "study, sweep point 1: runs_dir belongs to the whole"),
        (
            {"points": [{"seed": 1}], "seeds": [2]},
            "study, sweep point 1: seed is set by sweep.seeds already",
        ),
    ],
)
def test_a_wrong_point_is_told_by_number_and_name(sweep: dict[str, object], line: str) -> None:
    assert refusal(**sweep).startswith(line)


def test_a_recipe_without_a_sweep_is_refused_by_name() -> None:
    recipe = sweep_recipe(seeds=[1, 2])
    single = expand_points(recipe)[0].recipe
    with pytest.raises(RecipeError, match="seed1: no sweep to expand"):
        expand_points(single)
