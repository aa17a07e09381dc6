from collections.abc import Callable
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from qarank.config.schema import Recipe
from qarank.workflows.manner import Manner
from qarank.workflows.model_card import card_in_form, minimal_card, render_model_card

FACTS = {"global_step": 12, "metrics": {"exact": 70.123, "f1": 75.5, "total": 24}}
NO_ALLOCATOR = {"type": "none"}


def front_matter(card: str) -> dict[str, Any]:
    _, front, _ = card.split("---\n", 2)
    return dict(yaml.safe_load(front))


def test_a_card_says_what_it_is_how_it_scores_and_what_rank_it_kept(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    recipe = tiny_recipe()
    card = render_model_card(recipe, ranks={"a.query": 3, "a.key": 0}, facts=FACTS, manner=Manner())
    assert "after 12 optimizer steps on sample:almanac.\nTrained with qarank, seed 1." in card
    assert "svd adapters of r 4, alpha 8, pruned by AdaLoRA's allocator" in card
    assert "| exact | 70.12 |\n| f1 | 75.50 |" in card
    assert "| total" not in card  # a count is no figure
    assert "Ranks kept: 3 over 2 matrices." in card
    assert "| `a.key` | 0 |" in card


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("norm", "alpha 8, pruned by the norms of triplets"),
        ("random", "alpha 8, pruned at random"),
        ("file", "alpha 8, at the ranks of another run"),
    ],
)
def test_a_card_says_how_ranks_were_chosen(
    kind: str, words: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    keys = {"pattern": "runs/other"} if kind == "file" else {"target_r": 2}
    recipe = tiny_recipe(allocator={"type": kind, **keys})
    card = render_model_card(recipe, ranks={"a.query": 3}, facts=FACTS, manner=Manner())
    assert words in card


def test_the_hub_reads_the_front_matter(tiny_recipe: Callable[..., Recipe]) -> None:
    recipe = tiny_recipe(model={"name_or_path": "microsoft/deberta-v3-base"})
    card = render_model_card(recipe, ranks={"a.query": 3}, facts=FACTS, manner=Manner())
    front = front_matter(card)
    assert front["base_model"] == "microsoft/deberta-v3-base"
    assert front["library_name"] == "peft"
    assert front["pipeline_tag"] == "question-answering"
    assert "lora" in front["tags"]
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["name"] == "sample:almanac"
    assert result["metrics"] == [
        {"type": "exact", "value": 70.123},
        {"type": "f1", "value": 75.5},
    ]
    assert ModelCard(card).data.eval_results[0].metric_value == 70.123


def test_a_base_that_is_no_hub_name_is_not_given_as_one(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    """The hub refuses a card with such a base_model."""
    card = render_model_card(tiny_recipe(), ranks={"a": 3}, facts=FACTS, manner=Manner())
    assert "base_model" not in front_matter(card)
    assert f"`{tiny_recipe().model.name_or_path}`" in card
    package = tiny_recipe(model={"name_or_path": "package:some_module/model"})
    card = render_model_card(package, ranks={"a": 3}, facts=FACTS, manner=Manner())
    assert "base_model" not in front_matter(card)


def test_the_recipe_is_on_the_card_without_the_folders_of_its_files(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    files = {"train": ["/home/me/a.json", "b.csv"], "validation": "/home/me/dev.json.gz"}
    recipe = tiny_recipe(data={**files, "max_seq_length": 64, "doc_stride": 8})
    card = render_model_card(recipe, ranks={}, facts=FACTS, manner=Manner())
    assert "/home/me" not in card
    shown = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert shown["data"]["train"] == ["a.json", "b.csv"]
    assert shown["data"]["validation"] == "dev.json.gz"
    assert shown["data"]["max_seq_length"] == 64


@pytest.mark.parametrize(("is_adapter", "library"), [(True, "peft"), (False, "transformers")])
def test_a_card_follows_the_form_its_model_is_written_in(
    is_adapter: bool, library: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    card = render_model_card(tiny_recipe(), ranks={"a": 3}, facts=FACTS, manner=Manner())
    changed = card_in_form(card, is_adapter=is_adapter)
    front = front_matter(changed)
    assert front["library_name"] == library and ("lora" in front["tags"]) == is_adapter
    assert changed.split("---\n", 2)[2] == card.split("---\n", 2)[2]
    made = front_matter(minimal_card("some/base", is_adapter=is_adapter))
    assert (made["base_model"], made["library_name"]) == ("some/base", library)


def test_a_card_of_a_cut_model_claims_no_figures(tiny_recipe: Callable[..., Recipe]) -> None:
    card = render_model_card(tiny_recipe(), ranks={"a": 3}, facts=FACTS, manner=Manner())
    assert "model-index" in front_matter(card)
    changed = card_in_form(card, is_adapter=True, cut_to=2)
    assert "model-index" not in front_matter(changed)
    assert "# tiny\n\nEach update was cut to rank 2 at most after training: figures" in changed
    assert "| f1 | 75.50 |" in changed and "Ranks kept: 3" in changed


def test_the_run_that_ranks_are_from_is_on_the_card_without_its_folder(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    recipe = tiny_recipe(allocator={"type": "file", "pattern": "/home/me/runs/other"})
    card = render_model_card(recipe, ranks={"a": 3}, facts=FACTS, manner=Manner())
    assert "/home/me" not in card and "pattern: other\n" in card


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ({"type": "none", "full": True}, "full fine-tuning"),
        ({"type": "none"}, "head only"),
    ],
)
def test_a_full_model_is_no_peft_adapter(
    adapter: dict[str, Any], said: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe(adapter=adapter, allocator=NO_ALLOCATOR)
    card = render_model_card(recipe, ranks={}, facts=FACTS, manner=Manner())
    assert said in card
    assert front_matter(card)["library_name"] == "transformers"
    assert "Ranks kept" not in card


def test_a_run_without_an_allocator_is_not_called_pruned(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    recipe = tiny_recipe(allocator=NO_ALLOCATOR)
    assert "pruned" not in render_model_card(
        recipe, ranks={"a.query": 4}, facts=FACTS, manner=Manner()
    )


def test_a_card_before_any_evaluation_has_no_table_of_figures(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    facts = {"global_step": 2, "metrics": {}}
    assert "| figure |" not in render_model_card(
        tiny_recipe(), ranks={}, facts=facts, manner=Manner()
    )


def test_a_tuned_threshold_is_on_the_card(tiny_recipe: Callable[..., Recipe]) -> None:
    plain = tiny_recipe()
    manner = Manner(null_threshold=-1.25)
    assert "threshold" not in render_model_card(plain, ranks={}, facts=FACTS, manner=manner)
    data = plain.data.model_copy(update={"threshold_share": 0.1})
    tuned = plain.model_copy(update={"data": data})
    card = render_model_card(tuned, ranks={}, facts=FACTS, manner=manner)
    assert "Null threshold: -1.2500, tuned on" in card
