import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qarank.config.load import dump_recipe, load_recipe, parse_recipe, read_override, set_key
from qarank.errors import RecipeError

ROOT_DIR = Path(__file__).parents[2]
SMALLEST = """
model: {name_or_path: m}
data: {source: squad_v2}
train: {epochs: 1}
"""


@pytest.fixture
def recipe_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A legal recipe, named by a relative path so that messages can be compared whole."""
    monkeypatch.chdir(tmp_path)
    path = Path("x.yaml")
    path.write_text(SMALLEST, encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_smallest_recipe_is_complete(recipe_path: Path) -> None:
    recipe = load_recipe(recipe_path)
    assert (recipe.name, recipe.seed, recipe.runs_dir) == ("x", 42, "runs")
    assert (recipe.adapter.type, recipe.allocator.type, recipe.sweep) == ("svd", "none", None)


def test_an_empty_section_is_one_of_defaults(recipe_path: Path) -> None:
    recipe_path.write_text(SMALLEST + "eval:\nallocator:\nsweep:\n", encoding="utf-8")
    assert load_recipe(recipe_path).eval.batch_size == 128


def test_a_byte_order_mark_is_no_mistake(recipe_path: Path) -> None:
    recipe_path.write_text(SMALLEST, encoding="utf-8-sig")
    assert load_recipe(recipe_path).model.name_or_path == "m"


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["adapter.r=4"], "r", 4),
        (["adapter.r=4", "adapter.r=5"], "r", 5),
        (["adapter.dropout=0.1", "adapter={r: 3}"], "dropout", 0.0),
        (["adapter.target_modules=[query, value]"], "target_modules", ["query", "value"]),
        (["adapter.target_modules=.*query"], "target_modules", ".*query"),
        (["adapter.orth_reg_weight="], "orth_reg_weight", None),
        ([" adapter.r =4"], "r", 4),
    ],
)
def test_an_override_sets_one_key_and_the_last_wins(
    recipe_path: Path, overrides: list[str], key: str, value: object
) -> None:
    assert getattr(load_recipe(recipe_path, overrides).adapter, key) == value


def test_under_sweep_grid_the_rest_of_the_path_is_one_key(recipe_path: Path) -> None:
    recipe = load_recipe(recipe_path, ["sweep.grid.adapter.r=[1, 2]"])
    assert recipe.sweep is not None
    assert recipe.sweep.grid == {"adapter.r": [1, 2]}


def test_epochs_can_be_exchanged_for_steps(recipe_path: Path) -> None:
    assert load_recipe(recipe_path, ["train.epochs=null", "train.max_steps=3"]).train.max_steps == 3


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("adapter.r", "--set adapter.r: write KEY=VALUE, as in adapter.r=8"),
        ("=8", "--set =8: write KEY=VALUE, as in adapter.r=8"),
        ("adapter.r=0", "--set adapter.r=0: adapter.r is 0; it must be a whole number above 0"),
        (
            "allocator.target_rank=1",
            "--set allocator.target_rank=1: unknown key allocator.target_rank;"
            " did you mean allocator.target_r?",
        ),
        (
            "name.first=1",
            "--set name.first=1: name is 'x'; it holds no keys",
        ),
        (
            "allocator.tinit=5",
            "x.yaml with --set allocator.tinit=5: allocator.tinit has no effect with allocator.type"
            " none; leave it out (an override that replaces the section: allocator={type: none})",
        ),
    ],
)
def test_a_wrong_override_is_told_as_typed(recipe_path: Path, override: str, line: str) -> None:
    assert refusal(recipe_path, override) == line


def test_a_mistake_of_the_file_names_the_file_though_an_override_is_there(
    recipe_path: Path,
) -> None:
    recipe_path.write_text(SMALLEST + "adapter: {rr: 3}", encoding="utf-8")
    line = refusal(recipe_path, "seed=1")
    assert line == "x.yaml: unknown key adapter.rr; did you mean adapter.r?"


def test_setting_a_key_leaves_the_mapping_it_came_from_alone() -> None:
    before = {"adapter": {"r": 1}}
    assert set_key(before, "adapter.r", 2, where="here") == {"adapter": {"r": 2}}
    assert before == {"adapter": {"r": 1}}


def test_an_override_keeps_equal_signs_in_its_value() -> None:
    assert read_override("model.name_or_path=a=b") == ("model.name_or_path", "a=b")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "x.yaml: holds null; a recipe is a mapping of keys"),
        ("- a", "x.yaml: holds [a]; a recipe is a mapping of keys"),
        ("a: b: c", "x.yaml: line 1: mapping values are not allowed here"),
        ("train: {epochs: 1}", "x.yaml: missing key model.name_or_path: Hub name, folder, or"),
        ("model: {name_or_path: m}\nmodel: 3", "x.yaml: line 2: the key model stands twice"),
        (SMALLEST.replace("epochs: 1", ""), "x.yaml: exactly one of train.epochs or train.max_s"),
    ],
)
def test_a_wrong_file_is_told_with_its_name(recipe_path: Path, text: str, line: str) -> None:
    recipe_path.write_text(text, encoding="utf-8")
    assert refusal(recipe_path).startswith(line)


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    assert refusal(Path("nowhere.yaml")) == "nowhere.yaml: no such recipe file"
    assert refusal(tmp_path).endswith(": cannot be read: Is a directory")
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"name: \xff")
    assert refusal(binary).endswith("b.yaml: not UTF-8 text at byte 6")


def test_a_wrong_recipe_is_told_before_torch_loads(recipe_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from qarank.config.load import load_recipe; from qarank.errors import RecipeError\n"
        "import qarank.config.sweep_points\n"
        "try: load_recipe(Path(sys.argv[1]), ['adapter.r=x'])\n"
        "except RecipeError: pass\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(recipe_path.resolve())]
    done = subprocess.run(
        command, cwd=ROOT_DIR, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def optional(**keys: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=keys)


shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
counts = st.integers(1, 10**6)
texts = st.text(min_size=1)
step_counts = st.integers(0, 10**6) | shares
RECIPES = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True),
        "model": st.fixed_dictionaries(
            {"name_or_path": texts}, optional={"revision": texts | st.none()}
        ),
        "data": st.fixed_dictionaries({"source": st.just("squad")}),
        "train": st.fixed_dictionaries(
            {"epochs": st.floats(1e-9, 1e9) | counts},
            optional={
                "learning_rate": st.floats(1e-30, 1e30),
                "warmup_steps": step_counts,
                "save_every": counts | shares | st.none(),
                "precision": st.sampled_from(["fp32", "bf16", "fp16", "auto"]),
                "compile": st.booleans(),
            },
        ),
    },
    optional={
        "seed": st.integers(0, 2**32 - 1),
        "runs_dir": texts,
        "adapter": optional(
            r=st.integers(9, 99), alpha=counts, target_modules=texts | st.lists(texts, min_size=1)
        ),
        "allocator": st.fixed_dictionaries(
            {"type": st.just("adalora"), "target_r": st.integers(1, 8)},
            optional={"tinit": step_counts, "beta2": shares},
        ),
        "sweep": st.fixed_dictionaries(
            {"points": st.lists(st.dictionaries(texts, counts | texts), min_size=1)},
            optional={"seeds": st.lists(counts, min_size=1, unique=True)},
        ),
    },
)


@given(mapping=RECIPES)
def test_a_dumped_recipe_loads_back_equal(mapping: dict[str, object]) -> None:
    recipe = parse_recipe(mapping, "drawn")
    loaded = parse_recipe(yaml.safe_load(dump_recipe(recipe)), "dumped")
    assert loaded == recipe
    assert dump_recipe(loaded) == dump_recipe(recipe)


def test_a_dump_holds_what_was_asked_and_no_defaults(recipe_path: Path) -> None:
    dumped = yaml.safe_load(dump_recipe(load_recipe(recipe_path, ["adapter.r=2"])))
    assert dumped["adapter"] == {"r": 2}
    assert dumped["name"] == "x"
