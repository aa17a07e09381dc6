import pytest

from qarank.errors import DataError
from qarank.squad.columns import USUAL, Columns, check_header

USUAL_KEYS = ("id", "question", "context", "answers", "title", "extra")


def test_the_usual_names_need_no_mapping() -> None:
    assert USUAL.find(USUAL_KEYS, "x") == {key: key for key in USUAL_KEYS if key != "extra"}


def test_a_mapped_column_is_what_it_is_mapped_to_and_nothing_else() -> None:
    columns = Columns({"question": "title", "context": "body"})
    assert columns.find(("title", "body", "context", "answers"), "x") == {
        "question": "title",
        "context": "body",
        "answers": "answers",
    }


@pytest.mark.parametrize(
    ("keys", "mapping", "ours"),
    [
        (("answers", "answer_start"), {}, {"answers": "answers"}),
        (
            ("answers", "answer_start"),
            {"answer_text": "answers"},
            {"answer_text": "answers", "answer_start": "answer_start"},
        ),
        (
            ("answers", "gold"),
            {"answer_text": "gold"},
            {"answer_text": "gold"},
        ),
        (
            ("answers.text", "answers.answer_start"),
            {},
            {"answer_text": "answers.text", "answer_start": "answers.answer_start"},
        ),
    ],
)
def test_answers_come_in_one_column_or_two(
    keys: tuple[str, ...], mapping: dict[str, str], ours: dict[str, str]
) -> None:
    assert Columns(mapping).find(keys, "x") == ours


def test_a_mapped_column_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(DataError) as caught:
        Columns({"context": "body"}).find(("id", "context"), "x.csv")
    assert str(caught.value) == (
        "x.csv has no column body, which data.columns.context names; it has id, context"
    )


def test_where_it_need_not_be_there_a_mapping_counts_for_files_that_know_it() -> None:
    columns = Columns({"context": "body", "question": "ask"}, where_there=True)
    assert columns.find(("context", "question"), "x") == {
        "context": "context",
        "question": "question",
    }
    assert columns.find(("body", "ask"), "x") == {"context": "body", "question": "ask"}
    with pytest.raises(DataError, match="no column ask"):
        columns.find(("body", "question"), "x")


def test_a_header_that_lacks_what_is_needed_is_told() -> None:
    check_header(("question", "context"), USUAL, "x", labelled=False)
    with pytest.raises(DataError) as caught:
        check_header(("id", "question"), USUAL, "x.csv", labelled=True)
    assert str(caught.value) == (
        "x.csv has no column context, answers (or answer_text); it has id, question;"
        " name yours with data.columns"
    )


def test_questions_without_gold_answers_may_have_a_list_of_contexts() -> None:
    check_header(("question", "contexts"), USUAL, "x", labelled=False)
    with pytest.raises(DataError, match="no column context, answers"):
        check_header(("question", "contexts"), USUAL, "x", labelled=True)


def test_a_record_is_known_by_its_question_or_context_under_either_name() -> None:
    columns = Columns({"context": "body"})
    assert columns.looks_like_record(("body",)) and columns.looks_like_record(("question",))
    assert not columns.looks_like_record(("version", "data"))
