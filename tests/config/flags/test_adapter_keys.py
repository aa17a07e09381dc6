import shlex
from typing import Any

import pytest

from qarank.config.flags.adapter_keys import describe_method, translate_adapter
from qarank.config.flags.asked import read_flags
from qarank.config.flags.draft import Draft
from qarank.errors import RecipeError

LORA = "--apply_lora --lora_r 8 --lora_alpha 16"


def translate(line: str) -> Draft:
    draft = Draft(read_flags(shlex.split(line)))
    draft.put("model.name_or_path", "microsoft/deberta-v3-base")
    translate_adapter(draft)
    return draft


def refused(draft: Draft) -> list[str]:
    return [note.flag for note in draft.notes if note.kind == "impossible"]


def keys_of(draft: Draft, section: str) -> dict[str, Any]:
    start = f"{section}."
    return {key.removeprefix(start): v for key, v in draft.keys.items() if key.startswith(start)}


def test_without_lora_every_weight_trains_and_its_flags_are_idle() -> None:
    draft = translate("--lora_r 8 --target_rank 4 --apply_rankselector no")
    assert keys_of(draft, "adapter") == {"type": "none", "full": True}
    assert keys_of(draft, "allocator") == {"type": "none"}
    assert draft.list_left() == [] and refused(draft) == []


@pytest.mark.parametrize("flag", ["--apply_rankselector", "--apply_adalora"])
def test_a_selector_without_lora_is_refused(flag: str) -> None:
    assert refused(translate(flag)) == [flag]


def test_lora_alone_has_the_originals_defaults_and_no_allocator() -> None:
    draft = translate(f"{LORA} --select_metric magE --init_warmup 9")
    assert keys_of(draft, "adapter") == {
        "type": "frd",
        "r": 8,
        "alpha": 16,
        "orth_reg_weight": 0.0,
        "target_modules": ["query", "value"],
    }
    assert keys_of(draft, "allocator") == {"type": "none"}
    assert draft.list_left() == []


@pytest.mark.parametrize(
    ("selector", "metric", "finalize"),
    [
        ("--apply_rankselector", "iptAB,magE,sumAB,prodE", False),
        ("--apply_rankselector --finalize_rank", "iptAB,magE,sumAB,prodE", True),
        ("--apply_adalora", "iptAB,iptE,sumAB,sumE", True),
    ],
)
def test_a_selector_has_the_originals_defaults(selector: str, metric: str, finalize: bool) -> None:
    draft = translate(f"{LORA} --lora_type svd {selector}")
    assert keys_of(draft, "allocator") == {
        "type": "adalora",
        "target_r": 16,
        "metric": metric,
        "tinit": 4500,
        "tfinal": 12000,
        "delta_t": 10,
        "beta1": 0.85,
        "beta2": 0.85,
        "finalize": finalize,
    }


def test_a_total_goes_before_a_mean() -> None:
    draft = translate(f"{LORA} --apply_adalora --target_total_rank 144 --target_rank 2")
    assert draft.keys["allocator.target_total"] == 144
    assert "allocator.target_r" not in draft.keys
    assert draft.list_left() == []


def test_doublets_have_no_e_for_a_metric_to_read() -> None:
    draft = translate(f"{LORA} --apply_rankselector --select_metric iptAB,magE,sumAB,onlyE")
    assert draft.keys["allocator.metric"] == "iptAB,sumAB"
    assert draft.list_left() == [] and refused(draft) == []


def test_a_penalty_on_lora_is_refused_and_kept_on_svd() -> None:
    on_frd, on_svd = (
        translate(f"{LORA} --reg_orth_coef 0.3 --lora_type {k}") for k in ("frd", "svd")
    )
    assert refused(on_frd) == ["--reg_orth_coef 0.3"]
    assert on_frd.keys["adapter.orth_reg_weight"] == 0.0
    assert on_svd.keys["adapter.orth_reg_weight"] == 0.3


def test_svd_takes_r_where_alpha_is_0() -> None:
    draft = translate("--apply_lora --lora_type svd --lora_r 12 --lora_alpha 0")
    assert draft.keys["adapter.alpha"] == 12


def test_a_backbone_that_the_original_does_not_freeze_is_told() -> None:
    draft = Draft(read_flags(shlex.split(LORA)))
    draft.put("model.name_or_path", "google/electra-base")
    translate_adapter(draft)
    assert any("trains every weight of another model" in note.text for note in draft.notes)
    assert not any("another model" in note.text for note in translate(LORA).notes)


@pytest.mark.parametrize(
    ("line", "missing"),
    [("--apply_lora --lora_alpha 16", "lora_r"), ("--apply_lora --lora_r 8", "lora_alpha")],
)
def test_rank_and_alpha_have_no_default(line: str, missing: str) -> None:
    with pytest.raises(RecipeError, match=f"--apply_lora needs --{missing}"):
        translate(line)


@pytest.mark.parametrize(
    ("line", "described"),
    [
        ("", "full"),
        (LORA, "frd_r8"),
        (f"{LORA} --lora_type svd --apply_rankselector --target_rank 4", "svd_r8_to4"),
        (f"{LORA} --lora_type svd --apply_adalora", "svd_r8_to16"),
    ],
)
def test_a_method_is_told_in_a_few_characters(line: str, described: str) -> None:
    assert describe_method(Draft(read_flags(shlex.split(line)))) == described
