"""AdaLoRA's flags -> the sections adapter and allocator.

Source: the command lines of QingruZhang/AdaLoRA's question-answering README, and the defaults of
its run_qa.py, which the README's --apply_rankselector is a later --apply_adalora of.
"""

from qarank.config.flags.catalogue import LORA, SELECTION
from qarank.config.flags.draft import Draft
from qarank.config.rank_schema import DEFAULT_METRICS
from qarank.errors import RecipeError

SELECTORS = ("apply_rankselector", "apply_adalora")
ORIGINAL_DEFAULT = "the original's default"
ORIGINAL_METRIC = "iptAB,magE,sumAB,prodE"
FREEZING = ("deberta", "roberta")  # backbones that the original freezes under --apply_lora


def describe_method(draft: Draft) -> str:
    """A few characters for a folder's name: frd_r8, svd_r12_to8, full."""
    asked = draft.asked
    if not asked.is_on("apply_lora"):
        return "full"
    words = [asked.text("lora_type") or "frd", f"r{asked.text('lora_r')}"]
    if any(asked.is_on(flag) for flag in SELECTORS):
        words.append(f"to{asked.text('target_total_rank') or asked.text('target_rank') or 16}")
    return "_".join(words)


def translate_adapter(draft: Draft) -> None:
    """The sections adapter and allocator.

    Raises:
        RecipeError: an adapter without its rank or alpha, for which the original has no default.
    """
    asked = draft.asked
    if not asked.is_on("apply_lora"):
        _translate_full(draft)
        return
    kind = asked.choice("lora_type", ("frd", "svd")) or "frd"
    draft.put("adapter.type", kind, "apply_lora", "lora_type", silent=ORIGINAL_DEFAULT)
    _translate_size(draft, kind)
    _translate_penalty(draft, kind)
    modules = (asked.text("lora_module") or "query,value").split(",")
    named = [module.strip() for module in modules if module.strip()]
    draft.put("adapter.target_modules", named, "lora_module", silent=ORIGINAL_DEFAULT)
    if not any(name in str(draft.keys.get("model.name_or_path")).lower() for name in FREEZING):
        draft.tell(
            "all but adapters and head is frozen; the original freezes DeBERTa and RoBERTa alone,"
            " and trains every weight of another model",
            key="adapter.type",
        )
    if any(asked.is_on(flag) for flag in SELECTORS):
        _translate_allocator(draft, kind)
    else:
        draft.put("allocator.type", "none", silent="no --apply_rankselector")
        draft.set_aside("it is off", *SELECTORS)
        draft.set_aside("without --apply_rankselector every matrix keeps r", *SELECTION)


def _translate_full(draft: Draft) -> None:
    draft.put("adapter.type", "none", silent="no --apply_lora: run_qa trains every weight")
    draft.put("adapter.full", True, silent="no --apply_lora: run_qa trains every weight")
    draft.put("allocator.type", "none", silent="no --apply_lora")
    draft.set_aside("it is off", "apply_lora")
    for flag in SELECTORS:
        if draft.asked.is_on(flag):
            draft.refuse("there is no rank without --apply_lora: add it", flag)
    draft.set_aside("without --apply_lora every weight trains", *SELECTORS, *LORA, *SELECTION)


def _translate_size(draft: Draft, kind: str) -> None:
    asked = draft.asked
    r, alpha = asked.whole("lora_r"), asked.number("lora_alpha")
    for flag, value in (("lora_r", r), ("lora_alpha", alpha)):
        if value is None:
            raise RecipeError(f"--apply_lora needs --{flag}: the original has no default for it")
    assert r is not None and alpha is not None  # just refused
    draft.put("adapter.r", r, "lora_r")
    if kind == "svd" and alpha <= 0:
        draft.put("adapter.alpha", r, "lora_alpha")
        draft.tell("with svd the original takes r where alpha is 0 or less", key="adapter.alpha")
    else:
        draft.put("adapter.alpha", alpha, "lora_alpha")


def _translate_penalty(draft: Draft, kind: str) -> None:
    weight = draft.asked.number("reg_orth_coef") or 0.0
    if kind == "frd" and weight:
        draft.refuse("the penalty is svd's; give 0, or --lora_type svd", "reg_orth_coef")
        weight = 0.0
    draft.put("adapter.orth_reg_weight", weight, "reg_orth_coef", silent=ORIGINAL_DEFAULT)


def _translate_allocator(draft: Draft, kind: str) -> None:
    asked = draft.asked
    draft.put("allocator.type", "adalora", *SELECTORS)
    total = asked.whole("target_total_rank")
    if total is not None:
        draft.put("allocator.target_total", total, "target_total_rank")
        draft.set_aside("--target_total_rank goes before it", "target_rank")
    else:
        _put_whole(draft, "allocator.target_r", "target_rank", 16)
    _translate_metric(draft, kind)
    _put_whole(draft, "allocator.tinit", "init_warmup", 4500)
    _put_whole(draft, "allocator.tfinal", "final_warmup", 12000)
    _put_whole(draft, "allocator.delta_t", "mask_interval", 10)
    for flag in ("beta1", "beta2"):
        value = asked.number(flag)
        draft.put(
            f"allocator.{flag}", 0.85 if value is None else value, flag, silent=ORIGINAL_DEFAULT
        )
    is_fixed = asked.is_on("finalize_rank") or asked.is_on("apply_adalora")
    silent = "--apply_adalora always does" if is_fixed else ORIGINAL_DEFAULT
    draft.put("allocator.finalize", is_fixed, "finalize_rank", silent=silent)


def _put_whole(draft: Draft, key: str, flag: str, default: int) -> None:
    value = draft.asked.whole(flag)
    draft.put(key, default if value is None else value, flag, silent=ORIGINAL_DEFAULT)


def _translate_metric(draft: Draft, kind: str) -> None:
    asked = draft.asked
    if kind == "frd":
        draft.set_aside("the original reads it with --lora_type svd alone", "select_metric")
        default = DEFAULT_METRICS["frd"]
    elif asked.is_on("apply_adalora"):
        default = DEFAULT_METRICS["svd"]
    else:
        default = ORIGINAL_METRIC
    given = asked.text("select_metric") if kind == "svd" else None
    if kind == "svd":
        draft.put("allocator.metric", given or default, "select_metric", silent=ORIGINAL_DEFAULT)
    else:
        draft.put("allocator.metric", default, silent="all there is to score of doublets")
