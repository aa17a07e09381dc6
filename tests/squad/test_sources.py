import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qarank.errors import DataError
from qarank.squad import sources
from qarank.squad.columns import Columns
from qarank.squad.examples import Example
from qarank.squad.loaded_data import LoadedData, Mended
from qarank.squad.rows import Row
from qarank.squad.sample import almanac
from qarank.squad.sources import check_source, load_data, load_examples, pick_data

MakeFile = Callable[..., str]


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Writes a SQuAD file with questions of the given ids."""

    def make(name: str, *ids: str) -> str:
        questions = [{"id": each, "question": "who?", "answers": []} for each in ids]
        paragraph = {"context": "the mason", "qas": questions}
        path = tmp_path / name
        path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), encoding="utf-8")
        return str(path)

    return make


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_sample_is_loaded_by_name(split: str) -> None:
    assert load_examples("sample:almanac", split) == almanac(split)


def test_an_unknown_sample_is_told_with_those_there_are() -> None:
    with pytest.raises(DataError, match="^there is no sample:squad; .* are sample:almanac$"):
        load_examples("sample:squad", "train")


def test_a_split_the_sample_has_not_is_told() -> None:
    with pytest.raises(DataError, match="^sample:almanac has no split test; it has train and val"):
        load_examples("sample:almanac", "test")


def test_several_files_are_one_source_in_their_order(make_file: MakeFile) -> None:
    files = [make_file("b.json", "3", "1"), make_file("a.json", "2")]
    assert [example.id for example in load_examples(files, "train")] == ["3", "1", "2"]


def test_a_file_is_known_by_its_ending_or_as_a_path(make_file: MakeFile, tmp_path: Path) -> None:
    assert len(load_examples(make_file("without_ending", "1"), "train")) == 1
    for name in ("none.json", "none.csv.gz", "none"):
        with pytest.raises(DataError, match="none.* does not exist$"):
            load_examples(str(tmp_path / name), "train")
    with pytest.raises(DataError, match="is a folder"):
        load_examples(str(tmp_path), "train")


def test_a_file_that_looks_like_a_name_of_the_hub_is_told_how_to_be_named(
    make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file("squad_v2", "1")
    monkeypatch.chdir(tmp_path)
    message = "^squad_v2 is a file here, but could be a data set of the hub: write ./squad_v2$"
    for act in (load_examples, check_source):
        with pytest.raises(DataError, match=message):
            act("squad_v2", "train")
    check_source("./squad_v2", "train")
    assert len(load_examples("./squad_v2", "train")) == 1


def test_anything_else_is_a_name_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def read(name: str, split: str, columns: Columns) -> Iterator[Row]:
        asked.append((name, split))
        yield Row("here", {"question": "who?", "context": "the mason", "answers": []}, "flat")

    monkeypatch.setattr(sources, "read_hub_rows", read)
    data = load_data("owner/squad_v2", "validation")
    assert data.examples == [Example("squad_v2-0", "", "the mason", "who?")]
    assert data.files == data.unnamed == ["owner/squad_v2"]
    assert asked == [("owner/squad_v2", "validation")]


def test_a_split_without_rows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "read_hub_rows", lambda *_: iter(()))
    with pytest.raises(DataError, match="^squad_v2 holds no questions in its split test$"):
        load_examples("squad_v2", "test")


def test_the_home_folder_may_be_written_short(
    make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file("d.json", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_examples("~/d.json", "train")) == 1


def test_an_id_in_two_places_is_told_with_both(make_file: MakeFile) -> None:
    first, second = make_file("a.json", "x", "y"), make_file("b.json", "z", "y")
    with pytest.raises(DataError) as caught:
        load_examples([first, second], "train")
    assert str(caught.value) == (
        f"{second}: data[0].paragraphs[0].qas[1] has the id y,"
        f" as has {first}: data[0].paragraphs[0].qas[1]"
    )


def test_no_source_is_refused() -> None:
    with pytest.raises(DataError, match="^no data source is named"):
        load_examples([], "train")


EXAMPLES = [Example(str(number), "", "the mason", "who?") for number in range(50)]
DATA = LoadedData(
    EXAMPLES,
    [f"{number}.csv" for number in range(50)],
    mended=[Mended("2", "2.csv", "moved", ""), Mended("3", "3.csv", "moved", "")],
)


def test_without_a_seed_the_first_are_kept_with_what_is_known_of_them() -> None:
    picked = pick_data(DATA, limit=3, seed=None)
    assert picked.examples == EXAMPLES[:3]
    assert picked.files == ["0.csv", "1.csv", "2.csv"]
    assert picked.mended == [Mended("2", "2.csv", "moved", "")]


def test_with_a_seed_a_fixed_choice_is_kept_in_data_order() -> None:
    picked = pick_data(DATA, limit=9, seed=4)
    chosen = [int(example.id) for example in picked.examples]
    assert chosen == sorted(random.Random(4).sample(range(50), 9))
    assert picked.files == [f"{number}.csv" for number in chosen]
    assert picked.examples != pick_data(DATA, limit=9, seed=5).examples


@pytest.mark.parametrize("limit", [None, 50, 1000])
def test_a_limit_beyond_the_data_keeps_all(limit: int | None) -> None:
    assert pick_data(DATA, limit=limit, seed=1) == DATA


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(DataError, match=f"^{limit} examples were asked for; it must be at least 1"):
        pick_data(DATA, limit=limit, seed=None)


def test_the_limit_reaches_the_loaded_examples(make_file: MakeFile) -> None:
    path = make_file("a.json", "1", "2", "3")
    assert [example.id for example in load_examples(path, "train", limit=2)] == ["1", "2"]


def test_wrong_records_end_the_reading_or_are_left_out_and_noted(tmp_path: Path) -> None:
    good = {"id": "a", "question": "?", "context": "In Ulm", "answers": ["Ulm"]}
    path = tmp_path / "d.jsonl"
    records = [good, good | {"id": 3.5}, good, good | {"id": "b", "answers": ["Bonn"]}]
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    with pytest.raises(DataError, match="line 2.id is the number 3.5"):
        load_data(str(path), "train")
    data = load_data(str(path), "train", keep_faults=True)
    assert [example.id for example in data.examples] == ["a"]
    assert [(fault.kind, fault.id) for fault in data.faults] == [
        ("bad_records", ""),
        ("duplicate_ids", "a"),
        ("misaligned_answers", "b"),
    ]
    assert data.faults[1].line == f"{path}: line 3 has the id a, as has {path}: line 1"


def test_where_every_record_is_wrong_the_first_is_told(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text('[{"question": "?"}, {"question": 3}]', encoding="utf-8")
    with pytest.raises(DataError, match=r"\[0\] \(id d-0\) has no key context"):
        load_data(str(path), "train", keep_faults=True)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@st.composite
def draw_examples(draw: st.DrawFn) -> list[Example]:
    """Examples of any text, some without an answer; each has one or several gold answers."""
    examples = []
    for number in range(draw(st.integers(1, 4))):
        context = draw(TEXT.filter(lambda text: bool(text.strip())))
        starts = draw(st.lists(st.integers(0, len(context) - 1), max_size=3))
        answers = [context[start : draw(st.integers(start + 1, len(context)))] for start in starts]
        title, question = draw(TEXT), draw(TEXT)
        examples.append(
            Example(f"q{number}", title, context, question, tuple(answers), tuple(starts))
        )
    return examples


def write_nested(examples: list[Example]) -> bytes:
    articles = [
        {
            "title": example.title,
            "paragraphs": [
                {
                    "context": example.context,
                    "qas": [
                        {
                            "id": example.id,
                            "question": example.question,
                            "is_impossible": example.is_impossible,
                            "answers": [
                                {"text": text, "answer_start": start}
                                for text, start in zip(
                                    example.answers, example.answer_starts, strict=True
                                )
                            ],
                        }
                    ],
                }
            ],
        }
        for example in examples
    ]
    return json.dumps({"data": articles}).encode()


def list_records(examples: list[Example]) -> list[dict[str, Any]]:
    """As SQuAD's rows on the hub."""
    return [
        {
            "id": example.id,
            "title": example.title,
            "context": example.context,
            "question": example.question,
            "answers": {
                "text": list(example.answers),
                "answer_start": list(example.answer_starts),
            },
        }
        for example in examples
    ]


def write_csv(examples: list[Example]) -> bytes:
    text = io.StringIO(newline="")
    records = list_records(examples)
    writer = csv.DictWriter(text, list(records[0]))
    writer.writeheader()
    writer.writerows(records)  # answers in Python's notation
    return text.getvalue().encode()


def write_parquet(examples: list[Example]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list_records(examples)), sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[list[Example]], bytes]] = {
    "nested": write_nested,
    "list": lambda examples: json.dumps(list_records(examples), indent=1).encode(),
    "lines": lambda examples: "\n".join(
        json.dumps(record, ensure_ascii=False) for record in list_records(examples)
    ).encode(),
    "csv": write_csv,
    "parquet": write_parquet,
}


@given(draw_examples())
def test_the_same_examples_come_back_from_every_kind_of_file(
    tmp_path_factory: pytest.TempPathFactory, examples: list[Example]
) -> None:
    folder = tmp_path_factory.mktemp("kinds")
    for kind, write in WRITERS.items():
        for name, pack in ((kind, bytes), (f"{kind}.gz", gzip.compress)):
            (folder / name).write_bytes(pack(write(examples)))
            data = load_data(str(folder / name), "train")
            assert data.examples == examples, kind
            assert (data.mended, data.unnamed) == ([], [])


def test_files_of_any_mix_are_one_source(tmp_path: Path) -> None:
    examples = almanac("validation")[:10]
    names = []
    for place, (kind, write) in enumerate(WRITERS.items()):
        names.append(str(tmp_path / kind))
        Path(names[-1]).write_bytes(write(examples[2 * place : 2 * place + 2]))
    data = load_data(names, "train")
    assert data.examples == examples
    assert data.files == [name for name in names for _ in range(2)]


@pytest.mark.parametrize(
    ("name", "questions", "answerable"),
    [
        ("squad_v2_train", 29281, 22571),
        ("squad_v2_eval", 6078, 2910),
        ("squad_v2_dev_official", 11873, 5928),
        ("squad_v1_dev_official", 10570, 10570),
    ],
)
def test_real_squad_is_read_whole(
    squad_data: Path, name: str, questions: int, answerable: int
) -> None:
    data = load_data(str(squad_data / f"{name}.json.gz"), "train")
    assert len(data.examples) == questions
    assert sum(not example.is_impossible for example in data.examples) == answerable
    assert data.mended == []
