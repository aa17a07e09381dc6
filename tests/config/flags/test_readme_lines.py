"""The sixteen command lines of AdaLoRA's question-answering README are the shipped sweeps."""

from pathlib import Path
from typing import Any

import pytest

from qarank.config.flags.translate import translate_command
from qarank.config.load import load_recipe, parse_recipe
from qarank.config.schema import Recipe
from qarank.config.sweep_points import expand_points

RECIPES_DIR = Path(__file__).parents[3] / "recipes"
LAUNCHER = "python -m torch.distributed.launch --master_port=$MASTER_PORT --nproc_per_node=1"
README_LINE = (
    "{launcher} examples/question-answering/run_qa.py"
    " --model_name_or_path microsoft/deberta-v3-base --dataset_name squad_v2 --apply_lora {select}"
    " --lora_type {kind} --target_rank {target} --lora_r {r} --select_metric {metric}"
    " --reg_orth_coef {orth} --init_warmup {tinit} --final_warmup {tfinal} --mask_interval {every}"
    " --finalize_rank --beta1 0.85 --beta2 {beta2}"
    " --lora_module query,key,value,intermediate,layer.output,attention.output --lora_alpha 16"
    " --do_train --do_eval --version_2_with_negative --max_seq_length 384 --doc_stride 128"
    " --per_device_train_batch_size 16 --learning_rate {rate} --num_train_epochs {epochs}"
    " --warmup_steps 1000 --per_device_eval_batch_size 128 --evaluation_strategy steps"
    " --eval_steps 3000 --save_strategy steps --save_steps 100000 --logging_steps 300"
    " --tb_writter_loginterval 300 --report_to tensorboard --seed 9"
    " --root_output_dir /data/squadv2 --sub_output_dir curve --overwrite_output_dir"
)
FRD: dict[str, Any] = {
    "select": "",
    "kind": "frd",
    "metric": "iptAB,magE,sumAB,onlyE",
    "orth": "0.0",
    "tinit": 800000,
    "tfinal": 25000,
    "every": 300,
    "beta2": "0.00",
    "rate": "8e-5",
    "epochs": 8,
}
SVD: dict[str, Any] = {
    "select": "--apply_rankselector",
    "kind": "svd",
    "metric": "iptAB,iptE,sumAB,sumE",
    "orth": "0.1",
    "tinit": 5000,
    "tfinal": 50000,
    "every": 100,
    "beta2": "0.85",
    "rate": "1e-3",
    "epochs": 12,
}
FRD_RANKS = [1, 2, 8, 16, 32, 58, 102, 156]
SVD_RANKS = [(1, 2), (2, 4), (8, 12), (16, 25), (32, 48), (58, 68), (102, 156), (156, 198)]
SIXTEEN = [
    *(("squad_v2_frd", place, FRD, (r, r)) for place, r in enumerate(FRD_RANKS)),
    *(("squad_v2_svd", place, SVD, ranks) for place, ranks in enumerate(SVD_RANKS)),
]


def translate(line: str) -> Recipe:
    return parse_recipe(translate_command(line).mapping, "translated")


@pytest.mark.parametrize(("stem", "place", "values", "ranks"), SIXTEEN)
def test_a_readme_line_is_its_point_of_the_shipped_sweep(
    stem: str, place: int, values: dict[str, Any], ranks: tuple[int, int]
) -> None:
    line = README_LINE.format(launcher=LAUNCHER, target=ranks[0], r=ranks[1], **values)
    translation = translate_command(line)
    assert translation.problems == []
    point = expand_points(load_recipe(RECIPES_DIR / f"{stem}.yaml"))[place].recipe
    here = {"name": point.name, "runs_dir": point.runs_dir}  # the folder alone may differ
    assert translate(line).model_copy(update=here) == point


def test_the_sixteen_lines_go_to_sixteen_folders() -> None:
    lines = [
        README_LINE.format(launcher=LAUNCHER, target=target, r=r, **values)
        for _, _, values, (target, r) in SIXTEEN
    ]
    names = {translate(line).name for line in lines}
    assert len(names) == 16 and {"curve_frd_r8", "curve_svd_r12_to8"} < names
