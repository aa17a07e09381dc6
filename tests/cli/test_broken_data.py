"""A table of broken data files: each is one line on stderr, exit code 2, and no run.

`python -m pytest tests/cli/test_broken_data.py -q -s -k one_line` prints it.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CONTEXT = "The masons of Ulm built the bridge of Ulm."
RECORD: dict[str, Any] = {
    "id": "q1",
    "question": "Who built it?",
    "context": CONTEXT,
    "answers": [{"text": "masons", "answer_start": 4}],
}
OTHER = RECORD | {"id": "q2", "question": "Why?", "answers": []}
QUESTION = {key: RECORD[key] for key in ("id", "question", "answers")}
HEADER = "id,question,context,answer_text,answer_start\n"


def dump(document: object) -> bytes:
    return json.dumps(document).encode()


def nest(*questions: object, **paragraph: object) -> dict[str, Any]:
    inside = {"context": CONTEXT, "qas": list(questions)} | paragraph
    return {"version": "v2.0", "data": [{"title": "Ulm", "paragraphs": [inside]}]}


def answered(text: object, start: object) -> list[dict[str, Any]]:
    return [RECORD | {"answers": [{"text": text, "answer_start": start}]}]


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("train.json", "{}")
    return sink.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([RECORD, OTHER] * 50), sink)
    return sink.getvalue()


def lines(*records: object) -> bytes:
    return b"\n".join(dump(record) for record in records)


# What is broken -> the file's name, its content (None: a folder), and its line after the path.
BROKEN: dict[str, tuple[str, bytes | None, str]] = {
    "gzip, cut short": (
        "train.json.gz",
        gzip.compress(dump(nest(QUESTION)) * 30, mtime=0)[:-20],
        " is cut short or damaged: its gzip stream has no end",
    ),
    "gzip, damaged": (
        "train.json.gz",
        gzip.compress(dump([RECORD]), mtime=0)[:-8] + b"\0" * 8,
        " is damaged gzip (CRC check failed",
    ),
    "JSON, cut short": (
        "train.json",
        dump(nest(QUESTION))[:80],
        " is not JSON: Unterminated string starting at column 74, and there the text ends",
    ),
    "JSON, nested otherwise": (
        "train.json",
        dump({"data": [{"paragraphs": {"context": CONTEXT, "qas": []}}]}),
        ": data[0].paragraphs is an object with keys context, qas; it must be a list",
    ),
    "JSON, not SQuAD": (
        "train.json",
        dump({"rows": [RECORD]}),
        " is JSON but not SQuAD: found an object with keys rows; accepted is records with",
    ),
    "no context": (
        "train.json",
        dump({"data": [{"paragraphs": [{"qas": [QUESTION]}]}]}),
        ": data[0].paragraphs[0] has no key context; it is an object with keys qas",
    ),
    "empty context": (
        "train.json",
        dump([RECORD | {"context": " ", "answers": []}]),
        ": [0] (id q1) has an empty context; every question needs a passage",
    ),
    "start beyond the context": (
        "train.json",
        dump(answered("Ulm", 400)),
        ': [0] (id q1).answers[0] is "Ulm", but its context has "" at 400; it occurs 2 times',
    ),
    "answer elsewhere": (
        "train.json",
        dump(answered("Ulm", 5)),
        ': [0] (id q1).answers[0] is "Ulm", but its context has "aso" at 5; it occurs 2 times',
    ),
    "answer nowhere": (
        "train.json",
        dump(nest(QUESTION | {"answers": [{"text": "smiths", "answer_start": 4}]})),
        ': data[0].paragraphs[0].qas[0] (id q1).answers[0] is "smiths", but its context has'
        ' "masons" at 4; it does not occur in the context',
    ),
    "no start, and twice there": (
        "train.jsonl",
        lines(OTHER, RECORD | {"answers": ["Ulm"]}),
        ': line 2 (id q1).answers[0] is "Ulm" without an answer_start, and it occurs 2 times; say'
        " which by its answer_start",
    ),
    "id twice": (
        "train.jsonl",
        lines(RECORD, OTHER, RECORD),
        ": line 3 has the id q1, as has",
    ),
    "id not text": (
        "train.jsonl",
        lines(RECORD, OTHER | {"id": 2.5}),
        ": line 2.id is the number 2.5; it must be text",
    ),
    "id missing in one": (
        "train.json",
        dump([RECORD, {key: value for key, value in OTHER.items() if key != "id"}]),
        ": [1] has no id, as others have; all records of a file must have one, or none",
    ),
    "answers, yet impossible": (
        "train.json",
        dump(nest(QUESTION | {"is_impossible": True})),
        ": data[0].paragraphs[0].qas[0] (id q1) has answers and is_impossible true; it must be one",
    ),
    "CSV without a column": (
        "train.csv",
        b"id,question,passage\nq1,Who?,In Ulm.\n",
        " has no column context, answers (or answer_text); it has id, question, passage; name"
        " yours with data.columns",
    ),
    "CSV, quote left open": (
        "train.csv",
        f'{HEADER}q1,Who?,In Ulm.,Ulm,3\nq2,Who?,"In Ulm.,Ulm,3\n'.encode(),
        ": line 3 is not CSV (unexpected end of data)",
    ),
    "CSV, cells missing": (
        "train.csv",
        f"{HEADER}q1,Who?,In Ulm.,Ulm,3\nq2,Who?\n".encode(),
        ": line 3 has 2 cells; the header has 5",
    ),
    "CSV, start not a number": (
        "train.csv",
        f"{HEADER}q1,Who?,In Ulm.,Ulm,three\n".encode(),
        ': line 2 (id q1).answers[0].answer_start is the text "three"; it must be a whole number',
    ),
    "JSON lines, one bad": (
        "train.jsonl",
        lines(RECORD, OTHER) + b'\n{"id": "q3",\n',
        ": line 3 is not JSON: Expecting property name enclosed in double quotes at column 13",
    ),
    "JSON lines, the first bad": (
        "train.jsonl",
        dump(RECORD)[:36] + b"\n" + lines(OTHER, RECORD),
        ": line 1 is not JSON: Unterminated string starting at column 26, and there the text ends",
    ),
    "Parquet, damaged": (
        "train.parquet",
        parquet()[:-40],
        " is damaged Parquet (",
    ),
    "empty file": ("train.json", b"", " is empty; accepted is records with id, question, context"),
    "empty list": ("train.json", b"[]", " holds no questions; accepted is records with id,"),
    "Latin-1": (
        "train.csv",
        f"{HEADER}q1,Wer?,In Köln.,Köln,3\n".encode("latin-1"),
        ": line 2 is no UTF-8 text: see byte 12",
    ),
    "UTF-16": (
        "train.csv",
        f"{HEADER}q1,Wer?,In Ulm.,Ulm,3\n".encode("utf-16"),
        " is UTF-16 text: save it as UTF-8",
    ),
    "plain text": (
        "train.csv",
        CONTEXT.encode(),
        " is no JSON, Parquet or CSV of questions: its first line is ",
    ),
    "a folder": ("train.json", None, " is a folder; name the file in it"),
    "a zip": (
        "train.json",
        zipped(),
        " is a zip archive (or a spreadsheet): unpack it and name the file in it",
    ),
}

# Odd, and read all the same.
WORKS: dict[str, tuple[str, bytes]] = {
    "byte order mark": ("train.json", b"\xef\xbb\xbf" + dump([RECORD, OTHER])),
    "v1 and v2 mixed": (
        "train.json",
        dump(
            nest(
                QUESTION,
                {"id": "q2", "question": "Why?", "answers": [], "is_impossible": True},
            )
        ),
    ),
    "answer elsewhere, but once": (
        "train.json",
        dump([*answered("masons", 9), OTHER]),
    ),
    "wrong ending": ("train.csv", dump([RECORD, OTHER])),
    "ids that are numbers": ("train.json", dump([RECORD | {"id": 1}, OTHER | {"id": 2}])),
    "no ids at all": (
        "train.tsv",
        b"question\tcontext\tanswer_text\nWho?\tIn Ulm.\tUlm\nWhy?\tIn Ulm.\t\n",
    ),
}

Recipe = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path, recipe_file: Recipe) -> Callable[..., tuple[Path, Path]]:
    """Writes a data file, and the recipe that names it."""

    def write(name: str, content: bytes | None, **data: object) -> tuple[Path, Path]:
        path = tmp_path / "data" / name
        path.parent.mkdir()
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        lengths = {"max_seq_length": 96, "doc_stride": 16}
        return path, recipe_file(data={"train": str(path), **lengths, **data})

    return write


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_data_is_one_line_and_leaves_no_run(
    kind: str, place: Any, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    name, content, line = BROKEN[kind]
    path, recipe = place(name, content)
    done = run_cli("train", recipe)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"qarank: {path}{line}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    print(f"| {kind} | `{done.err.replace(str(path), name).removeprefix('qarank: ').strip()}` |")


@pytest.mark.parametrize("kind", WORKS)
def test_odd_data_that_has_one_meaning_is_read(
    kind: str, place: Any, run_cli: Callable[..., Any]
) -> None:
    _, recipe = place(*WORKS[kind])
    done = run_cli("prepare", recipe, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    facts = report["data"]["train"]
    assert (facts["examples"], facts["unanswerable"]) == (2, 1)
    assert report["version_2_with_negative"]


def test_a_mapped_column_that_is_not_there_is_told(place: Any, run_cli: Callable[..., Any]) -> None:
    path, recipe = place("train.json", dump([RECORD]), columns={"context": "body"})
    done = run_cli("train", recipe)
    assert done.err == (
        f"qarank: {path}: [0] has no column body, which data.columns.context names;"
        " it has id, question, context, answers\n"
    )


def test_columns_may_be_named_on_the_command_line(place: Any, run_cli: Callable[..., Any]) -> None:
    _, recipe = place("train.csv", b"id,question,body,gold\na,Who?,In Ulm.,Ulm\n")
    names = ("data.columns.context=body", "data.columns.answer_text=gold")
    done = run_cli("prepare", recipe, *(word for name in names for word in ("--set", name)))
    assert done.code == 0, done.err
    done = run_cli("prepare", recipe, "--set", "data.columns.contxt=body")
    assert "unknown key data.columns.contxt; did you mean data.columns.context?" in done.err


def test_prepare_lists_all_that_is_wrong_and_ends_as_training_would(
    place: Any, run_cli: Callable[..., Any]
) -> None:
    records = [RECORD, RECORD, OTHER, *answered("Ulm", 5), {"id": "q3"}]
    path, recipe = place("train.json", dump(records))
    done = run_cli("prepare", recipe)
    assert done.code == 2
    assert "plan of" not in done.out, "of less than the data"
    (listed,) = (line for line in done.out.splitlines() if line.startswith("listed in "))
    audit = listed.removeprefix("listed in ")
    line = f"{path}: [1] has the id q1, as has {path}: [0]"
    assert done.err == f"qarank: {line} (and 2 more: {audit})\n"
    findings = json.loads(Path(audit).read_text())["findings"]
    assert {each["name"]: each["count"] for each in findings} == {
        "bad_records": 1,
        "duplicate_ids": 1,
        "misaligned_answers": 1,
    }
    for finding in findings:
        assert f"! {finding['what']}" in done.out
    as_json = run_cli("prepare", recipe, "--json")
    assert (as_json.code, as_json.err) == (2, done.err)
    assert json.loads(as_json.out)["audit"]["findings"] == findings


def test_training_ends_at_the_first_that_is_wrong(place: Any, run_cli: Callable[..., Any]) -> None:
    path, recipe = place("train.json", dump([RECORD, RECORD, {"id": "q3"}]))
    done = run_cli("train", recipe)
    assert done.err == f"qarank: {path}: [1] has the id q1, as has {path}: [0]\n"


def test_strict_makes_an_oddity_an_error(place: Any, run_cli: Callable[..., Any]) -> None:
    again = RECORD | {"id": "q2", "answers": []}
    _, recipe = place("train.json", dump([RECORD, again]))
    done = run_cli("prepare", recipe)
    assert (done.code, done.err) == (0, "")
    assert "same question and context, other label" in done.out
    done = run_cli("prepare", recipe, "--strict")
    assert done.code == 2
    assert done.err.startswith("qarank: train: 2 same question and context, other label, the first")
    assert done.err.count("\n") == 1


def test_strict_lets_sound_data_pass(recipe_file: Recipe, run_cli: Callable[..., Any]) -> None:
    done = run_cli("prepare", recipe_file(), "--strict")
    assert (done.code, done.err) == (0, "")
    assert "audit: no findings" in done.out


def test_answers_put_right_are_told_to_people_and_kept_in_the_list(
    place: Any, run_cli: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    _, recipe = place("train.json", dump([*answered("masons", 9), OTHER]))
    with caplog.at_level("INFO", "qarank"):
        done = run_cli("prepare", recipe, "--json")
    (finding,) = (
        each for each in json.loads(done.out)["audit"]["findings"] if "put right" in each["what"]
    )
    assert finding["examples"][0]["remark"] == '"masons" (at 9) is "masons" at 4'
    assert any("put right: 1, the first in" in record.getMessage() for record in caplog.records)


def test_a_sweep_tells_which_points_data_is_wrong(
    place: Any, recipe_file: Recipe, run_cli: Callable[..., Any]
) -> None:
    path, _ = place("train.json", dump([RECORD, RECORD]))
    data = {"train": str(path), "max_seq_length": 96, "doc_stride": 16}
    recipe = recipe_file(data=data, sweep={"points": [{"name": "a", "seed": 3}]})
    done = run_cli("prepare", recipe)
    assert done.code == 2
    assert done.err == f"qarank: sweep point a: {path}: [1] has the id q1, as has {path}: [0]\n"
    assert "points of tiny" in done.out
