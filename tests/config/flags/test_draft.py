from qarank.config.flags.asked import read_flags
from qarank.config.flags.draft import Draft, Note


def build_draft(*words: str) -> Draft:
    return Draft(read_flags(words))


def test_a_key_is_noted_with_the_flags_it_comes_from() -> None:
    draft = build_draft("--eval_steps", "10", "--eval_strategy", "steps")
    draft.put("eval.every", 10, "eval_steps", "eval_strategy", "evaluate_during_training")
    assert draft.keys == {"eval.every": 10}
    assert draft.notes == [
        Note("translated", "--eval_steps 10 --eval_strategy steps", "eval.every", "")
    ]
    assert list(draft.list_left()) == []


def test_a_key_that_no_flag_gave_is_noted_as_a_default() -> None:
    draft = build_draft()
    draft.put("seed", 42, "seed")
    draft.put("allocator.delta_t", 10, silent="the original's default")
    assert [note.kind for note in draft.notes] == ["default", "default"]
    assert [note.text for note in draft.notes] == ["run_qa's default", "the original's default"]


def test_a_flag_is_set_aside_once_and_only_if_it_was_given() -> None:
    draft = build_draft("--seed", "9")
    draft.set_aside("because", "seed", "beta1")
    draft.set_aside("because of more", "seed")
    assert draft.notes == [Note("idle", "--seed 9", "", "because")]


def test_what_was_refused_is_no_keys_origin() -> None:
    draft = build_draft("--reg_orth_coef", "0.1")
    draft.refuse("no", "reg_orth_coef")
    draft.put("adapter.orth_reg_weight", 0.0, "reg_orth_coef")
    assert [note.kind for note in draft.notes] == ["impossible", "default"]


def test_words_that_are_no_flag_are_noted_too() -> None:
    draft = build_draft("--seed", "9")
    draft.refuse_words("--sed 9", "did you mean --seed?")
    draft.tell("worth knowing", key="seed")
    assert draft.notes == [
        Note("impossible", "--sed 9", "", "did you mean --seed?"),
        Note("told", "", "seed", "worth knowing"),
    ]
    assert list(draft.list_left()) == ["seed"]
