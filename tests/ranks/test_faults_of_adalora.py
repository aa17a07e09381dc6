"""Faults of AdaLoRA's released code and of PEFT's, each with the test that shows it is not here.

o: the released code, read off it; p: PEFT 0.21, seen by running it; #: PEFT's issues; t#: those of
transformers.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
SCORING = "ranks/test_faults_of_scoring.py"
MASKED = (
    "adapters/test_layer.py::test_masked_triplets_are_silent_in_eval_mode_and_speak_in_training"
)
ALIKE = "ranks/test_allocators_alike.py"
OPENED = "parity/test_peft_loads_export.py"
FAULTS = {
    "o1 p #2337 kthvalue: equal first and last budgets are an error": (
        "ranks/test_allocator.py::test_equal_budgets_mean_no_pruning",
        "ranks/test_schedule.py::test_equal_budgets_are_legal_and_never_cut",
    ),
    "o1 p a last budget above the first is found out in mid-training": (
        "ranks/test_schedule.py::test_a_target_out_of_range_is_refused_with_what_is_allowed",
        "workflows/test_preflight.py::test_a_target_total_above_the_start_is_refused",
    ),
    "o2 ties cut more than asked": (
        "ranks/test_selection.py::test_a_thousand_ties_are_cut_as_exactly",
        "ranks/test_allocators_alike.py::test_every_round_uses_up_its_budget_and_no_more",
    ),
    "o3 p averages in fp16 underflow: 0 of 72 kept": (
        "ranks/test_importance.py::test_averages_are_float32_whatever_the_base_is_in",
        "ranks/test_importance.py::test_tiny_scores_are_still_told_apart",
        "adapters/test_layer.py::test_only_the_low_rank_weights_get_gradients_and_they_are_float32",
    ),
    "o4 p a step skipped for infinite gradients is scored: 72 of 72 kept": (
        f"{ALIKE}::test_no_number_is_ever_nan_though_skipped_gradients_are",
        f"{ALIKE}::test_a_skipped_step_without_a_round_changes_nothing",
        f"{SCORING}::test_a_budget_is_kept_to_after_a_step_of_infinite_gradients",
    ),
    "o5 without clipping, gradients are scored as the loss was scaled": (
        f"{SCORING}::test_scores_do_not_know_of_the_losss_scale",
    ),
    "o6 o9 what enters the score, and which averages the optimizer keeps, is written nowhere": (
        "parity/test_trajectory.py::test_losses_ranks_and_weights_are_pefts_through_all_phases",
    ),
    "o7 p the penalty is in an evaluation's loss": (
        "workflows/test_session.py::test_the_penalty_enters_each_step_once_and_no_evaluation",
        "adapters/test_peft_format.py::test_a_reopened_adapters_loss_is_the_tasks_alone",
    ),
    "o8 p E regrows between two rounds: evaluations measure the full rank": (
        MASKED,
        f"{ALIKE}::test_a_masked_triplet_has_no_effect_in_eval_mode",
        "workflows/test_recorder.py::test_the_best_is_sought_at_the_final_budget_only",
    ),
    "p #503 #876 saved in mid-schedule and opened again, it answers otherwise": (
        f"{OPENED}::test_others_answer_as_the_model_in_training",
        "workflows/test_verify.py::test_a_change_of_an_update_too_small_for_the_logits_is_caught",
    ),
    "o10 t#31033 #1721 a parameter without a gradient": (
        "ranks/test_importance.py::"
        "test_a_parameter_without_a_gradient_is_named_and_nothing_is_scored",
        "engine/test_loop.py::test_hooks_see_gradients_and_listeners_come_after_they_are_cleared",
    ),
    "o11 #2341 phases that do not fit the run are an assertion, and two GPUs halve its steps": (
        "workflows/test_preflight.py::"
        "test_a_schedule_that_does_not_fit_shows_the_steps_and_what_would_fit",
        "distributed/test_equal.py::test_two_processes_choose_and_learn_what_one_does",
    ),
    "o12 the shipped script's schedule does not fit its own steps": (
        "workflows/test_preflight.py::test_every_point_of_the_readme_fits_squad_v2",
        "workflows/test_preflight.py::test_every_budget_of_the_paper_fits_squad_v1",
    ),
    "o13 flags of the README are not accepted": (
        "config/flags/test_readme_lines.py::test_a_readme_line_is_its_point_of_the_shipped_sweep",
    ),
    "o14 #479 each process allocates by itself": (
        f"{ALIKE}::test_two_processes_decide_alike_and_as_one_with_the_whole_batch",
        "engine/test_distributed.py::test_a_process_of_another_mind_is_named_on_every_process",
    ),
    "o15 a copy of transformers, and metrics that need the network": (
        "test_whole_path.py::test_from_a_recipe_to_a_dense_model",
    ),
    "p PEFT's question-answering wrapper drops token types": (
        f"{OPENED}::test_updates_head_and_token_types_each_make_a_difference",
        "workflows/test_foreign_model.py::"
        "test_pefts_question_answering_wrapper_is_fed_no_token_types",
    ),
    "p a resumed run miscounts its first budget": (
        f"{ALIKE}::test_stopped_and_resumed_is_never_stopped_bit_for_bit",
        "workflows/test_allocators.py::test_stopped_and_resumed_is_never_stopped",
    ),
    "p #571 #745 an adapter opened to answer fails when it is given labels": (
        "adapters/test_peft_format.py::test_a_reopened_adapters_loss_is_the_tasks_alone",
    ),
    "p t#31095 #432 #1801 the allocator is never called, and nobody says so": (
        "workflows/test_verify.py::test_no_round_is_no_success",
        "workflows/test_build.py::test_an_allocator_is_a_hook_where_the_recipe_has_one",
    ),
    "#1327 #1341 #1746 #855 no pattern, or one without effect": (
        "workflows/test_verify.py::test_another_budget_is_no_success",
        "workflows/test_train.py::test_every_round_keeps_exactly_its_budget_and_is_a_whole_line",
    ),
    "p #2939 a pruned AdaLoRA cannot become a LoRA": (
        "workflows/test_merge.py::test_peft_opens_an_adapter_that_was_merged_into_its_format",
    ),
    "p transformers cannot load a pruned AdaLoRA": (
        f"{OPENED}::test_others_answer_as_the_model_in_training",
    ),
    "#1539 #1540 a matrix of rank 0 cannot be loaded": (
        f"{OPENED}::test_pefts_matrices_have_the_ranks_kept_and_one_of_rank_0_is_none_of_them",
    ),
    "#663 #1745 gradient checkpointing on several processes": (
        "distributed/test_equal.py::test_gradient_checkpointing_changes_nothing_on_two_processes",
    ),
    "#1625 weights in shards are scored wrongly": (
        "distributed/test_commands.py::"
        "test_a_launcher_that_shards_parameters_is_refused_with_one_line",
    ),
    "#581 #583 #1852 the scale stays on another device": (
        "adapters/test_layer.py::test_an_adapter_goes_to_another_device_whole",
    ),
    "#1410 #1346 nothing trains, and nobody says so": (
        "adapters/test_inject.py::test_nothing_to_train_is_an_error",
    ),
    "#1652 #1798 #1884 E begins at random": (
        "adapters/test_layer.py::test_a_fresh_adapter_is_bit_for_bit_the_base",
    ),
    "#529 #1846 #3193 a target that is no linear": (
        "adapters/test_inject.py::test_only_linears_are_adapted",
    ),
    "#1981 a key without effect": (
        "config/test_rank_schema.py::test_a_key_of_another_allocator_is_refused",
    ),
    "#2322 is what was merged what was trained?": (
        "workflows/test_merge_forms.py::"
        "test_a_folder_that_answers_otherwise_is_refused_and_what_was_there_stays",
    ),
    "#2382 #2419 #3582 keys of patterns that match nothing, or too much": (
        "adapters/test_peft_format.py::test_the_config_names_full_paths_ranks_and_scales",
    ),
    "#2063 #664 is it slow, and where?": (
        "engine/test_loop_shares.py::test_a_steps_time_is_split_into_its_parts",
    ),
    "#2940 #3203 ranks by another method": (
        "workflows/test_allocators.py::test_a_run_keeps_its_budget_at_every_round_and_to_the_end",
    ),
    "#730 #734 #1892 dropout in evaluation, or none in training": (
        "adapters/test_layer.py::test_dropout_thins_the_updates_input_in_training_alone",
    ),
}
NAMED = [(fault, test) for fault, tests in FAULTS.items() for test in tests]


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("fault", "test"), NAMED)
def test_a_fault_has_the_test_that_is_named_for_it(fault: str, test: str) -> None:
    path, name = test.split("::")
    assert name in names_in(path), fault
