"""Fixtures every room shares, and the rule that no test is skipped unseen."""

import itertools
import os
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from qarank.config.load import parse_recipe
from qarank.config.schema import Recipe
from qarank.engine.distributed import Processes
from qarank.engine.environment import World
from qarank.errors import LostProcessError

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")
_skipped: dict[str, str] = {}


@pytest.fixture(scope="session")
def squad_data() -> Path:
    """The folder with real SQuAD, named by QARANK_TEST_DATA."""
    folder = os.environ.get("QARANK_TEST_DATA")
    if not folder:
        pytest.skip("QARANK_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _features_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features are cached for the session, never in the user's folder."""
    os.environ["QARANK_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT and a WordPiece tokenizer of the almanac's words, as a folder."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from transformers import BertConfig, BertForQuestionAnswering, BertTokenizerFast

    from qarank.squad.sample import almanac

    folder = tmp_path_factory.mktemp("tiny_bert")
    texts = (f"{example.question} {example.context}" for example in almanac("train")[:800])
    text = BertNormalizer().normalize_str(" ".join(texts))
    counts = Counter(word for word, _ in BertPreTokenizer().pre_tokenize_str(text))
    # Chosen, not trained: of equally common pieces the trainer takes others in every process.
    letters = sorted({letter for word in counts for letter in word})
    common = sorted(counts, key=lambda word: (-counts[word], word))
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*specials, *letters, *(f"##{letter}" for letter in letters), *common]
    vocab = {piece: number for number, piece in enumerate(list(dict.fromkeys(pieces))[:600])}
    BertWordPieceTokenizer(vocab=vocab).save(str(folder / "tokenizer.json"))
    tokenizer = BertTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=256,
    )
    torch.manual_seed(0)
    BertForQuestionAnswering(config).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_recipe(tiny_model_dir: Path, tmp_path: Path) -> Callable[..., Recipe]:
    """Makes a recipe that runs in a second or two; keyword arguments replace whole sections."""

    def build(**sections: Any) -> Recipe:
        mapping: dict[str, Any] = {
            "name": "tiny",
            "seed": 1,
            "runs_dir": str(tmp_path / "runs"),
            "model": {"name_or_path": str(tiny_model_dir)},
            "data": {
                "source": "sample:almanac",
                "max_train_examples": 64,
                "max_eval_examples": 24,
                "max_seq_length": 160,
                "doc_stride": 32,
            },
            "adapter": {"type": "svd", "r": 4, "alpha": 8},
            "allocator": {
                "type": "adalora",
                "target_r": 2,
                "tinit": 2,
                "tfinal": 4,
                "delta_t": 2,
            },
            "train": {
                "max_steps": 12,
                "batch_size": 8,
                "learning_rate": 0.01,
                "precision": "fp32",
                "log_every": 4,
            },
        }
        return parse_recipe(mapping | sections, "tiny_recipe")

    return build


class ThreadTable:
    """What threads that stand for processes say to each other, round by round."""

    def __init__(self, size: int) -> None:
        self.size, self.changed = size, threading.Condition()
        self.said: dict[tuple[int, int], bytes] = {}
        self.is_one_gone = False

    def exchange(self, number: int, rank: int, value: object) -> list[Any]:
        """The values of all in a round, copied, once the last has said its own."""
        keys = [(number, each) for each in range(self.size)]
        with self.changed:
            self.said[number, rank] = pickle.dumps(value)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.said.keys() >= set(keys) or self.is_one_gone, 60)
            if not self.said.keys() >= set(keys):
                raise LostProcessError("another thread is gone")
            return [pickle.loads(self.said[key]) for key in keys]

    def leave(self) -> None:
        """Nobody waits for this thread from here on."""
        with self.changed:
            self.is_one_gone = True
            self.changed.notify_all()


class Thread(Processes):
    """One of the processes of a run, that is a thread."""

    def __init__(self, rank: int, table: ThreadTable) -> None:
        super().__init__(World(rank, rank, table.size, table.size))
        self.table, self.rounds = table, itertools.count()

    def gather(self, value: Any) -> list[Any]:
        return self.table.exchange(next(self.rounds), self.world.global_rank, value)

    def on_main(self, act: Callable[[], Any]) -> Any:
        return self.gather_outcomes(lambda: act() if self.is_main else None)[0]

    def sum_tensors(self, tensors: Sequence[Any]) -> None:
        for tensor in tensors:
            tensor.copy_(sum(self.gather(tensor)))

    def take_from_main(self, tensors: Sequence[Any]) -> None:
        for tensor in tensors:
            tensor.copy_(self.gather(tensor)[0])


@pytest.fixture
def run_together() -> Callable[..., list[Any]]:
    """Runs act(processes) on threads that stand for the processes of a run on one machine.

    Gives what each returned, by rank, or the error that ended it.
    """

    def run(act: Callable[[Processes], Any], size: int) -> list[Any]:
        table = ThreadTable(size)

        def play(rank: int) -> Any:
            try:
                return act(Thread(rank, table))
            except Exception as error:
                return error
            finally:
                table.leave()

        with ThreadPoolExecutor(size) as pool:
            return list(pool.map(play, range(size)))

    return run


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each skipped test and its reason."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[report.nodeid] = reason


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session on a skip that allowed_skips.txt does not name."""
    lines = ALLOWED_SKIPS.read_text(encoding="utf-8").splitlines()
    allowed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    unseen = {
        node: reason for node, reason in _skipped.items() if node.split("[")[0] not in allowed
    }
    if unseen and not hasattr(session.config, "workerinput"):
        for node, reason in sorted(unseen.items()):
            print(f"\nskip not in tests/allowed_skips.txt: {node}: {reason}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
