"""Every flag of run_qa and of AdaLoRA's fork of it: how it is written, and what becomes of it.

Three kinds: those a recipe has a key for (TRANSLATED; the modules beside this one say which),
those that change no result here (IDLE), and those with one value a recipe can mean (FIXED).
Source: huggingface/transformers, run_qa.py and TrainingArguments of versions 4 and 5;
QingruZhang/AdaLoRA, its README's command lines and run_qa.py.
"""

import difflib

ALIASES = {  # a spelling of another version -> the one used here
    "evaluation_strategy": "eval_strategy",
    "activation_checkpointing": "gradient_checkpointing",
    "activation_checkpointing_kwargs": "gradient_checkpointing_kwargs",
    "use_auth_token": "token",
    "hub_private": "hub_private_repo",
    "no_cuda": "use_cpu",
    "fp16_backend": "half_precision_backend",
    "tb_writer_loginterval": "tb_writter_loginterval",
}
LORA = ("lora_type", "lora_module", "lora_alpha", "lora_r", "reg_orth_coef")
SELECTION = (
    *("target_rank", "target_total_rank", "select_metric", "init_warmup", "final_warmup"),
    *("mask_interval", "finalize_rank", "beta1", "beta2"),
)
TRANSLATED = (
    *("model_name_or_path", "config_name", "tokenizer_name", "model_revision"),
    *("trust_remote_code", "dataset_name", "dataset_config_name", "train_file"),
    *("validation_file", "max_seq_length", "doc_stride", "max_train_samples"),
    *("max_eval_samples", "version_2_with_negative", "null_score_diff_threshold"),
    *("n_best_size", "max_answer_length", "output_dir", "root_output_dir", "sub_output_dir"),
    *("do_train", "do_eval", "per_device_train_batch_size", "per_gpu_train_batch_size"),
    *("per_device_eval_batch_size", "per_gpu_eval_batch_size", "gradient_accumulation_steps"),
    *("num_train_epochs", "max_steps", "learning_rate", "weight_decay", "warmup_steps"),
    *("warmup_ratio", "lr_scheduler_type", "max_grad_norm", "fp16", "bf16", "group_by_length"),
    *("train_sampling_strategy", "gradient_checkpointing", "torch_compile", "seed"),
    *("logging_steps", "logging_strategy", "save_strategy", "save_steps", "save_total_limit"),
    *("eval_strategy", "eval_steps", "evaluate_during_training", "load_best_model_at_end"),
    *("metric_for_best_model", "greater_is_better"),
    *("apply_lora", "apply_rankselector", "apply_adalora", *LORA, *SELECTION),
)

IDLE: dict[str, tuple[str, ...]] = {  # why -> flags
    "every run writes metrics.jsonl and TensorBoard files, and shows its progress": (
        *("report_to", "logging_dir", "logging_first_step", "logging_nan_inf_filter"),
        *("log_level", "log_level_replica", "log_on_each_node", "disable_tqdm", "run_name"),
        *("project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
        *("tb_writter_loginterval", "include_num_input_tokens_seen", "skip_memory_metrics"),
        *("include_tokens_per_second", "debug"),
    ),
    "a finished run is never overwritten but by `qarank train --overwrite`": (
        "overwrite_output_dir",
    ),
    "a run that was stopped goes on with `qarank train --resume`": (
        *("resume_from_checkpoint", "ignore_data_skip"),
        "restore_callback_states_from_checkpoint",
    ),
    "answering is a command of its own: `qarank predict RUN`": (
        *("do_predict", "test_file", "max_predict_samples"),
    ),
    "publishing is a command of its own: `qarank merge --push-to-hub`": (
        *("push_to_hub", "hub_token", "hub_private_repo", "hub_model_id", "hub_strategy"),
        *("hub_always_push", "hub_revision", "push_to_hub_model_id", "push_to_hub_token"),
        "push_to_hub_organization",
    ),
    "features are cached by their content, and padding changes no answer": (
        *("overwrite_cache", "preprocessing_num_workers", "pad_to_max_length", "use_fast"),
    ),
    "the hub's cache and token are the environment's: HF_HOME, HF_TOKEN": ("cache_dir", "token"),
    "how batches are fetched and processes speak changes no result": (
        *("dataloader_num_workers", "dataloader_pin_memory", "dataloader_persistent_workers"),
        *("dataloader_prefetch_factor", "dataloader_multiprocessing_context"),
        *("dataloader_in_order", "remove_unused_columns", "length_column_name", "label_names"),
        *("ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers"),
        *("ddp_static_graph", "ddp_backend", "ddp_timeout", "local_rank", "dispatch_batches"),
        *("split_batches", "use_cache", "torch_empty_cache_steps", "full_determinism"),
        "average_tokens_across_devices",
    ),
    "evaluations keep spans, not logits, and their figures are the official script's": (
        *("eval_accumulation_steps", "eval_do_concat_batches", "eval_use_gather_object"),
        *("batch_eval_metrics", "include_for_metrics", "include_inputs_for_metrics"),
    ),
    "a checkpoint holds all it takes to go on, once, in the run's folder": (
        *("save_only_model", "save_on_each_node", "save_safetensors", "enable_jit_checkpoint"),
    ),
    "the device is the GPU where there is one; CUDA_VISIBLE_DEVICES= hides it": (
        *("use_cpu", "use_mps_device", "no_mps"),
    ),
    "arithmetic is as train.precision says, in training and evaluation": (
        *("half_precision_backend", "fp16_opt_level", "bf16_full_eval", "fp16_full_eval"),
        *("tf32",),
    ),
}

NO_KEY = "no recipe key stands for it; leave it out"
ADAMW = "AdamW with torch's betas and epsilon is the only optimizer; leave it out"
SHARDED = (
    "models are not sharded here: `qarank train --nproc` trains the whole model in each process"
)
FIXED: dict[str, tuple[tuple[str, ...], str]] = {  # flag -> (values that are what happens, advice)
    "optim": (
        ("adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw_apex_fused"),
        ADAMW,
    ),
    "adafactor": (("false",), ADAMW),
    "optim_args": ((), ADAMW),
    "optim_target_modules": ((), ADAMW),
    "adam_beta1": (("0.9",), ADAMW),
    "adam_beta2": (("0.999",), ADAMW),
    "adam_epsilon": (("1e-08",), ADAMW),
    "lr_scheduler_kwargs": (("{}",), "train.schedule takes linear or constant alone"),
    "label_smoothing_factor": (("0.0",), NO_KEY),
    "neftune_noise_alpha": ((), NO_KEY),
    "data_seed": ((), "one seed draws everything: give --seed alone"),
    "dataloader_drop_last": (
        ("false",),
        "the last smaller batch is always trained on; leave it out",
    ),
    "auto_find_batch_size": (("false",), "give a batch size; train.micro_batch_size saves memory"),
    "eval_delay": (("0.0",), "eval.every counts from the first step; leave it out"),
    "eval_on_start": (("false",), "`qarank eval` scores a model without training; leave it out"),
    "prediction_loss_only": (("false",), "evaluations are EM and F1; leave it out"),
    "gradient_checkpointing_kwargs": ((), NO_KEY),
    "torch_compile_backend": (("inductor",), "train.compile is torch.compile's own choice"),
    "torch_compile_mode": (("default",), "train.compile is torch.compile's own choice"),
    "use_liger_kernel": (("false",), NO_KEY),
    "liger_kernel_config": ((), NO_KEY),
    "jit_mode_eval": (("false",), NO_KEY),
    "use_ipex": (("false",), NO_KEY),
    "past_index": (("-1.0",), NO_KEY),
    "fsdp": ((), SHARDED),
    "fsdp_config": ((), SHARDED),
    "fsdp_min_num_params": (("0.0",), SHARDED),
    "fsdp_transformer_layer_cls_to_wrap": ((), SHARDED),
    "sharded_ddp": (("",), SHARDED),
    "deepspeed": ((), SHARDED),
    "accelerator_config": ((), SHARDED),
    "parallelism_config": ((), SHARDED),
    "tpu_num_cores": ((), "there is no TPU support; leave it out"),
    "mp_parameters": (("",), SHARDED),
    "lora_path": (
        (),
        "an adapter is trained from the start; `qarank eval` scores one that is there",
    ),
    "apply_adapter": (("false",), "bottleneck adapters are not among adapter.type: svd, frd, none"),
    "adapter_path": ((), "bottleneck adapters are not among adapter.type: svd, frd, none"),
    "adapter_type": (
        ("houlsby",),
        "bottleneck adapters are not among adapter.type: svd, frd, none",
    ),
    "adapter_size": (("64.0",), "bottleneck adapters are not among adapter.type: svd, frd, none"),
    "apply_bitfit": (("false",), "training biases alone is not among adapter.type: svd, frd, none"),
    "reg_loss_wgt": (("0.0",), NO_KEY),
    "masking_prob": (("0.0",), NO_KEY),
}

BOOLS = frozenset(
    {
        *("trust_remote_code", "version_2_with_negative", "do_train", "do_eval", "fp16", "bf16"),
        *("group_by_length", "gradient_checkpointing", "torch_compile", "load_best_model_at_end"),
        *("evaluate_during_training", "greater_is_better", "apply_lora", "apply_rankselector"),
        *("apply_adalora", "finalize_rank", "logging_first_step", "logging_nan_inf_filter"),
        *("log_on_each_node", "disable_tqdm", "skip_memory_metrics", "include_tokens_per_second"),
        *("overwrite_output_dir", "ignore_data_skip", "do_predict", "push_to_hub"),
        *("restore_callback_states_from_checkpoint", "hub_private_repo", "hub_always_push"),
        *("overwrite_cache", "pad_to_max_length", "use_fast", "dataloader_pin_memory"),
        *("dataloader_persistent_workers", "dataloader_in_order", "remove_unused_columns"),
        *("ddp_find_unused_parameters", "ddp_broadcast_buffers", "ddp_static_graph", "use_cache"),
        *("dispatch_batches", "split_batches", "full_determinism", "eval_do_concat_batches"),
        *("eval_use_gather_object", "batch_eval_metrics", "include_inputs_for_metrics", "tf32"),
        *("save_only_model", "save_on_each_node", "save_safetensors", "enable_jit_checkpoint"),
        *("use_cpu", "use_mps_device", "no_mps", "bf16_full_eval", "fp16_full_eval", "adafactor"),
        *("dataloader_drop_last", "auto_find_batch_size", "average_tokens_across_devices"),
        *("eval_on_start", "prediction_loss_only", "use_liger_kernel", "jit_mode_eval"),
        *("use_ipex", "apply_adapter", "apply_bitfit"),
    }
)
VALUE_OPTIONAL = ("token", "include_num_input_tokens_seen", "fsdp")  # a switch in one version only
LISTS = ("report_to", "label_names", "include_for_metrics", "debug", "fsdp")

IDLE_BECAUSE = {flag: why for why, flags in IDLE.items() for flag in flags}
KNOWN = frozenset({*TRANSLATED, *IDLE_BECAUSE, *FIXED})


def find_flag(name: str) -> tuple[str, bool] | None:
    """A flag's name here, and whether it was written as its negation, --no_NAME; None: unknown."""
    name = name.replace("-", "_")
    if (plain := ALIASES.get(name, name)) in KNOWN:
        return plain, False
    opposite = name.removeprefix("no_")
    return (opposite, True) if opposite != name and opposite in BOOLS else None


def suggest_flag(name: str) -> str:
    """What an unknown flag may have been meant as."""
    name = name.replace("-", "_")
    near = difflib.get_close_matches(name, [*sorted(TRANSLATED), *ALIASES], n=1, cutoff=0.75)
    near = near or difflib.get_close_matches(name, sorted(KNOWN), n=1)
    return f"did you mean --{near[0]}?" if near else "no flag of run_qa is like it; leave it out"
