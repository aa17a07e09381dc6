import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from qarank.cli.predict import predict
from qarank.errors import DataError, QarankError, RunDirError

app = typer.Typer()
app.command()(predict)


@pytest.fixture
def run_dir(tmp_path: Path) -> str:
    """A run with a checkpoint nobody opens."""
    folder = tmp_path / "run"
    (folder / "checkpoints" / "step_000001").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    return str(folder)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the workflow was given; it answers with the first word of a question's last context."""
    from qarank.workflows import predict as workflow

    seen: dict[str, Any] = {}

    def answer(path: Path, questions: list[Any], **options: Any) -> list[dict[str, Any]]:
        seen.update(options, questions=questions)
        return [describe(question, options["n_best"]) for question in questions]

    monkeypatch.setattr(workflow, "predict_answers", answer)
    return seen


def describe(question: Any, n_best: int) -> dict[str, Any]:
    text = question.contexts[-1].split(" ")[0]
    text = "" if text == "none" else text
    span = {"start": 0 if text else -1, "end": len(text) if text else -1}
    if len(question.contexts) > 1:
        span["context"] = len(question.contexts) - 1 if text else -1
    row = {
        "id": question.id,
        "question": question.question,
        "answer": text,
        "is_impossible": not text,
        "probability": 0.75,
        **span,
    }
    found = {"text": text, "probability": 0.75, "score": 1.0, **span}
    return row | ({"nbest": [found] * n_best} if n_best > 1 else {})


def invoke(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def fail(*arguments: str, error: type[QarankError] = DataError) -> str:
    result = invoke(*arguments)
    assert isinstance(result.exception, error), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def write_lines(folder: Path, count: int) -> str:
    path = folder / "questions.jsonl"
    rows = [{"question": f"q{number}?", "context": f"w{number} [/b] x"} for number in range(count)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_one_answer_is_told_in_words(run_dir: str, asked: dict[str, Any]) -> None:
    result = invoke(run_dir, "--question", "Where?", "--context", "[/red]Oslo is")
    assert result.stdout == "[/red]Oslo\nprobability 0.750, characters 0-10 of the context\n"
    assert asked["null_threshold"] is None
    result = invoke(run_dir, "--question", "Where?", "--context", "none")
    assert result.stdout == "no answer\nprobability 0.750\n"


@pytest.mark.usefixtures("asked")
def test_candidates_follow_the_answer(run_dir: str) -> None:
    result = invoke(run_dir, "--question", "Where?", "--context", "[b]Oslo is", "--n-best", "2")
    assert result.stdout.count("[b]Oslo") == 3


@pytest.mark.usefixtures("asked")
def test_a_passage_may_stand_in_a_file(run_dir: str, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("Oslo is\n")
    result = invoke(run_dir, "--question", "Where?", "--context-file", str(tmp_path / "page.txt"))
    assert result.stdout.startswith("Oslo\n")


def test_several_passages_are_told_apart(
    run_dir: str, asked: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "page.txt").write_text("Rome is")
    arguments = ["--question", "Where?", "--context-file", str(tmp_path / "page.txt")]
    arguments += ["--context", "a b", "--context", "c d"]
    shown = invoke(run_dir, *arguments, "--n-best", "2").stdout
    assert asked["questions"][0].contexts == ("a b", "c d", "Rome is")
    assert shown.startswith(
        "Rome\nprobability 0.750, characters 0-4 of context 2 (the first is 0)\n"
    )
    heads = [line for line in shown.splitlines() if "candidate" in line]
    assert heads[0].split()[1::2] == ["candidate", "probability", "characters", "context"]
    shown = invoke(run_dir, "--question", "Where?", "--context", "a", "--context", "none").stdout
    assert shown == "no answer\nprobability 0.750\n"


@pytest.mark.usefixtures("asked")
def test_a_table_says_which_context_only_where_there_are_several(
    run_dir: str, tmp_path: Path
) -> None:
    assert "context" not in invoke(run_dir, "--input", write_lines(tmp_path, 2)).stdout
    rows = [{"question": "q?", "contexts": ["a", "b"]}, {"question": "r?", "context": "c"}]
    (tmp_path / "several.json").write_text(json.dumps(rows))
    shown = invoke(run_dir, "--input", str(tmp_path / "several.json")).stdout
    cells = [line.split("│")[-2].strip() for line in shown.splitlines() if line.startswith("│")]
    assert cells == ["1", ""]


@pytest.mark.usefixtures("asked")
def test_a_table_has_no_place_for_candidates_and_says_so_unless_a_file_has_them(
    run_dir: str, tmp_path: Path
) -> None:
    arguments = [run_dir, "--input", write_lines(tmp_path, 2), "--n-best", "2"]
    note = "--output FILE.jsonl or --json gives the candidates"
    assert note in invoke(*arguments).stdout
    assert "gives" not in invoke(*arguments, "--output", str(tmp_path / "a.jsonl")).stdout


@pytest.mark.usefixtures("asked")
def test_more_than_a_table_shows_is_counted_though_a_file_has_it(
    run_dir: str, tmp_path: Path
) -> None:
    out = ("--output", str(tmp_path / "a.csv"))
    shown = invoke(run_dir, "--input", write_lines(tmp_path, 22), *out).stdout
    assert shown.rstrip().endswith("and 2 more")


@pytest.mark.usefixtures("asked")
def test_people_see_twenty_of_many_and_how_many_more(run_dir: str, tmp_path: Path) -> None:
    shown = invoke(run_dir, "--input", write_lines(tmp_path, 20)).stdout
    assert "w19" in shown
    assert "more" not in shown
    shown = invoke(run_dir, "--input", write_lines(tmp_path, 1022)).stdout
    assert "w19" in shown
    assert "w20" not in shown
    assert "and 1,002 more" in shown


def test_json_is_one_document_with_every_answer(run_dir: str, asked: dict[str, Any]) -> None:
    lines = '{"question": "q?", "context": "Zoë"}\n{"question": "r?", "context": "none"}'
    result = invoke(run_dir, "--input", "-", "--json", "--null-threshold", "-1.5", stdin=lines)
    expected = [describe(question, 1) for question in asked["questions"]]
    assert json.loads(result.stdout) == expected
    assert [row["id"] for row in expected] == ["0", "1"]
    assert asked["null_threshold"] == -1.5


@pytest.mark.usefixtures("asked")
def test_answers_are_written_once_and_replaced_when_asked(run_dir: str, tmp_path: Path) -> None:
    out = tmp_path / "answers.json"
    arguments = (run_dir, "--input", write_lines(tmp_path, 2), "--output", str(out))
    assert f"2 answers in {out}" in invoke(*arguments).stderr
    assert json.loads(out.read_text()) == {"0": "w0", "1": "w1"}
    assert "--overwrite replaces it" in fail(*arguments)
    assert invoke(*arguments, "--overwrite", "--quiet").stderr == ""


QUESTION = ("--question", "q?")
FAULTS = [
    ((), "give either --question with its context, or --input FILE"),
    ((*QUESTION, "--input", "q.csv"), "give either --question"),
    (QUESTION, "give --context TEXT or --context-file FILE"),
    (("--input", "q.csv", "--context", "c"), "go with --question; --input has its own"),
    (("--question", " ", "--context", "c"), "--question is empty"),
    ((*QUESTION, "--context", ""), "--context is empty"),
    ((*QUESTION, "--context", "c", "--context", " "), "--context is empty"),
    ((*QUESTION, "--context-file", "gone.txt"), "gone.txt does not exist"),
    (("--input", "gone.csv"), "gone.csv does not exist"),
    (("--precision", "fp8"), "--precision is fp8; it must be one of fp32, bf16, fp16, auto"),
    (("--null-threshold", "nan"), "--null-threshold is not a number"),
    (("--output", "answers.txt"), "must end in .jsonl, .json, .csv"),
    (("--output", "q.json", "--input", "q.json"), "q.json is also the input"),
    (("--output", "a.csv", "--n-best", "3"), "candidates go to a .jsonl file"),
]


@pytest.mark.parametrize(("arguments", "message"), FAULTS)
def test_wrong_arguments_are_one_line(
    run_dir: str, arguments: tuple[str, ...], message: str
) -> None:
    assert message in fail(run_dir, *arguments)


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    message = fail(str(tmp_path), *QUESTION, "--context", "c", error=RunDirError)
    assert "is not a run" in message


def test_a_wrong_input_is_told_before_torch_loads(run_dir: str, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("question\nq\n")
    arguments = [run_dir, "--input", str(tmp_path / "q.csv")]
    program = (
        "import sys, typer\n"
        "from qarank.cli.predict import predict\n"
        "app = typer.Typer(pretty_exceptions_enable=False)\n"
        "app.command()(predict)\n"
        "try:\n"
        f"    app({arguments!r})\n"
        "except Exception as error:\n"
        "    print(error, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "has no column context" in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_run_answers_alone_and_together_alike(
    run_cli: Callable[..., Any], trained_run: Path
) -> None:
    texts = ["The Orrin Bridge was built in 1874.", "Mara Quill drew the plans.", "It rains."]

    def ask(*contexts: str) -> dict[str, Any]:
        passages = [word for text in contexts for word in ("--context", text)]
        options = ["--json", "-q", "--n-best", "50", "--question", "Who drew the plans?"]
        done = run_cli("predict", trained_run, *options, *passages)
        assert (done.code, done.err) == (0, "")
        (found,) = json.loads(done.out)
        return dict(found)

    together, alone = ask(*texts), [ask(text) for text in texts]
    spans = [
        (entry["score"], -number, entry["text"])
        for number, found in enumerate(alone)
        for entry in found["nbest"]
        if entry["text"]
    ]
    best = max(spans, key=lambda span: span[:2])
    first = next(entry for entry in together["nbest"] if entry["text"])
    assert (first["text"], first["context"]) == (best[2], -best[1])
    assert first["score"] == pytest.approx(best[0], abs=1e-4)
    nulls = [entry["score"] for found in alone for entry in found["nbest"] if not entry["text"]]
    assert together["null_odds"] == pytest.approx(min(nulls) - best[0], abs=1e-4)
    assert together["answer"] == ("" if together["null_odds"] > 0 else first["text"])
