"""The shipped recipes: each loads, and the README's sweeps hold the README's values."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from qarank.config.load import dump_recipe, load_recipe, parse_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points

RECIPES_DIR = Path(__file__).parents[2] / "recipes"
RECIPE_PATHS = sorted(RECIPES_DIR.glob("*.yaml"))

FRD_COMMAND = """--model_name_or_path microsoft/deberta-v3-base --dataset_name squad_v2 --apply_lora
    --lora_type frd --target_rank R --lora_r R --select_metric iptAB,magE,sumAB,onlyE
    --reg_orth_coef 0.0 --init_warmup 800000 --final_warmup 25000 --mask_interval 300
    --finalize_rank --beta1 0.85 --beta2 0.00
    --lora_module query,key,value,intermediate,layer.output,attention.output --lora_alpha 16
    --do_train --do_eval --version_2_with_negative --max_seq_length 384 --doc_stride 128
    --per_device_train_batch_size 16 --learning_rate 8e-5 --num_train_epochs 8 --warmup_steps 1000
    --per_device_eval_batch_size 128 --evaluation_strategy steps --eval_steps 3000
    --save_strategy steps --save_steps 100000 --logging_steps 300 --tb_writter_loginterval 300
    --report_to tensorboard --seed 9 --root_output_dir DIR --sub_output_dir curve
    --overwrite_output_dir"""
SVD_COMMAND = """--apply_rankselector --lora_type svd --target_rank R --lora_r R0
    --select_metric iptAB,iptE,sumAB,sumE --reg_orth_coef 0.1 --init_warmup 5000
    --final_warmup 50000 --mask_interval 100 --beta2 0.85 --learning_rate 1e-3
    --num_train_epochs 12"""
FRD_POINTS = [1, 2, 8, 16, 32, 58, 102, 156]
SVD_POINTS = [(1, 2), (2, 4), (8, 12), (16, 25), (32, 48), (58, 68), (102, 156), (156, 198)]


def read_flags(command: str) -> dict[str, str]:
    """Flag -> its value, "" where it has none."""
    flags: dict[str, str] = {}
    for word in shlex.split(command):
        if word.startswith("--"):
            flag = word.removeprefix("--")
            flags[flag] = ""
        else:
            flags[flag] = word
    return flags


def asked_by_both(recipe: Recipe) -> dict[str, Any]:
    """The recipe's value for each flag that has an effect with either method."""
    modules = recipe.adapter.target_modules
    assert isinstance(modules, list)
    return {
        "model_name_or_path": recipe.model.name_or_path,
        "dataset_name": recipe.data.source,
        "lora_type": recipe.adapter.type,
        "lora_r": recipe.adapter.r,
        "lora_alpha": recipe.adapter.alpha,
        "lora_module": ",".join(modules),
        "reg_orth_coef": recipe.adapter.effective_orth_reg_weight,
        "version_2_with_negative": "" if recipe.data.version_2_with_negative is True else None,
        "max_seq_length": recipe.data.max_seq_length,
        "doc_stride": recipe.data.doc_stride,
        "per_device_train_batch_size": recipe.train.batch_size,
        "learning_rate": recipe.train.learning_rate,
        "num_train_epochs": recipe.train.epochs,
        "warmup_steps": recipe.train.warmup_steps,
        "per_device_eval_batch_size": recipe.eval.batch_size,
        "eval_steps": recipe.eval.every,
        "save_steps": recipe.train.save_every,
        "logging_steps": recipe.train.log_every,
        "seed": recipe.seed,
    }


def asked_by_allocator(recipe: Recipe) -> dict[str, Any]:
    """The recipe's value for each flag of the rank selector."""
    allocator = recipe.allocator
    return {
        "apply_rankselector": "" if allocator.type == "adalora" else None,
        "target_rank": allocator.target_r,
        "select_metric": allocator.metric,
        "init_warmup": allocator.tinit,
        "final_warmup": allocator.tfinal,
        "mask_interval": allocator.delta_t,
        "beta1": allocator.beta1,
        "beta2": allocator.beta2,
        "finalize_rank": "" if allocator.finalize else None,
    }


def assert_same(asked: dict[str, Any], flags: dict[str, str]) -> None:
    """Compare as what the recipe holds: 8e-5 the text equals 8e-5 the number."""
    for flag, value in asked.items():
        written = type(value)(flags[flag]) if value is not None else None
        assert value == written, flag


# Where output goes and what is run is no recipe's business; logging to TensorBoard is always on.
OUTSIDE = {
    *("apply_lora", "do_train", "do_eval", "evaluation_strategy", "save_strategy", "report_to"),
    *("tb_writter_loginterval", "root_output_dir", "sub_output_dir", "overwrite_output_dir"),
}


def test_the_frd_sweep_is_the_readmes_value_for_value() -> None:
    points = expand_points(load_recipe(RECIPES_DIR / "squad_v2_frd.yaml"))
    assert len(points) == len(FRD_POINTS)
    for point, r in zip(points, FRD_POINTS, strict=True):
        flags = read_flags(FRD_COMMAND) | {"lora_r": str(r)}
        assert_same(asked_by_both(point.recipe), flags)
        assert point.recipe.allocator.type == "none"
        idle = set(asked_by_allocator(point.recipe)) - {"apply_rankselector"}
        assert set(asked_by_both(point.recipe)) | idle | OUTSIDE == set(flags)


def test_the_svd_sweep_is_the_readmes_value_for_value() -> None:
    points = expand_points(load_recipe(RECIPES_DIR / "squad_v2_svd.yaml"))
    assert len(points) == len(SVD_POINTS)
    for point, (target_r, r) in zip(points, SVD_POINTS, strict=True):
        flags = read_flags(FRD_COMMAND) | read_flags(SVD_COMMAND)
        flags |= {"lora_r": str(r), "target_rank": str(target_r)}
        asked = asked_by_both(point.recipe) | asked_by_allocator(point.recipe)
        assert_same(asked, flags)
        assert set(asked) | OUTSIDE == set(flags)


@pytest.mark.parametrize("stem", ["squad_v2_frd", "squad_v2_svd", "squad_v1_svd"])
def test_where_the_original_is_silent_its_trainers_defaults_hold(stem: str) -> None:
    train = load_recipe(RECIPES_DIR / f"{stem}.yaml").train
    assert (train.precision, train.schedule, train.group_by_length) == ("fp32", "linear", False)
    assert (train.max_grad_norm, train.weight_decay) == (1.0, 0.0)


def test_the_frd_recipe_keeps_the_flags_without_effect_as_a_comment() -> None:
    text = (RECIPES_DIR / "squad_v2_frd.yaml").read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("#").strip() for line in text.splitlines() if "#" in line)
    for idle in ("--init_warmup 800000", "--final_warmup 25000", "--mask_interval 300"):
        assert idle in comment


def test_the_v1_sweep_has_the_papers_budgets_and_schedule() -> None:
    recipe = load_recipe(RECIPES_DIR / "squad_v1_svd.yaml")
    budgets = [
        (point.recipe.allocator.target_r, point.recipe.adapter.r) for point in expand_points(recipe)
    ]
    assert budgets == [(1, 2), (2, 4), (4, 6), (8, 12)]
    allocator, train = recipe.allocator, recipe.train
    assert (allocator.tinit, allocator.delta_t, allocator.tfinal) == (5000, 100, 25000)
    assert (train.learning_rate, train.batch_size, train.epochs) == (1e-3, 16, 10)
    assert recipe.adapter.effective_orth_reg_weight == 0.1


TABLE_2 = {  # arXiv:2303.10512, table 2: triplets a matrix -> EM, F1
    "squad_v1_svd": {1: (87.2, 93.4), 2: (87.5, 93.6), 4: (87.5, 93.7), 8: (87.6, 93.7)},
    "squad_v2_svd": {1: (85.6, 88.7), 2: (85.7, 88.8), 8: (86.0, 88.9)},
    "squad_v2_frd": {1: (84.7, 87.5), 2: (83.6, 86.7), 8: (85.0, 88.0)},
}


@pytest.mark.parametrize("stem", TABLE_2)
def test_a_point_at_a_budget_of_table_2_carries_its_figures_and_no_other_does(stem: str) -> None:
    carried = {}
    for point in expand_points(load_recipe(RECIPES_DIR / f"{stem}.yaml")):
        kept = point.recipe.allocator.target_r or point.recipe.adapter.r
        if point.published is not None:
            assert point.published.source == "arXiv:2303.10512, table 2"
            carried[kept] = (point.published.exact, point.published.f1)
    assert carried == TABLE_2[stem]


@pytest.mark.parametrize("path", RECIPE_PATHS, ids=lambda path: path.stem)
def test_a_shipped_recipe_loads_round_trips_and_expands(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe)), "dumped") == recipe
    names = [point.name for point in expand_points(recipe)]
    assert len(names) == len(set(names)) > 1


@pytest.mark.parametrize("path", RECIPE_PATHS, ids=lambda path: path.stem)
def test_a_shipped_recipe_tells_editors_its_schema_and_readers_how_to_run_it(path: Path) -> None:
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=recipe.schema.json"
    assert any(f"qarank sweep recipes/{path.name}" in line for line in rest)


@pytest.mark.parametrize("stem", ["quickstart", "minilm_squad_v2"])
def test_the_small_recipes_set_lora_against_adalora_at_one_rank(stem: str) -> None:
    lora, adalora = expand_points(load_recipe(RECIPES_DIR / f"{stem}.yaml"))
    assert (lora.name, adalora.name) == ("lora", "adalora")
    assert lora.recipe.adapter.r == adalora.recipe.allocator.target_r
    assert adalora.recipe.adapter.r > lora.recipe.adapter.r
