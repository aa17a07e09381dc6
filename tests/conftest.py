"""Fixtures every room shares, and the rule that no test is skipped unseen."""

import os
from pathlib import Path

import pytest

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")
_skipped: dict[str, str] = {}


@pytest.fixture(scope="session")
def squad_data() -> Path:
    """The folder with real SQuAD, named by QARANK_TEST_DATA."""
    folder = os.environ.get("QARANK_TEST_DATA")
    if not folder:
        pytest.skip("QARANK_TEST_DATA is not set")
    return Path(folder)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each skipped test and its reason."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[report.nodeid] = reason


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session on a skip that allowed_skips.txt does not name."""
    lines = ALLOWED_SKIPS.read_text(encoding="utf-8").splitlines()
    allowed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    unseen = {node: reason for node, reason in _skipped.items() if node.split("[")[0] not in allowed}
    if unseen and not hasattr(session.config, "workerinput"):
        for node, reason in sorted(unseen.items()):
            print(f"\nskip not in tests/allowed_skips.txt: {node}: {reason}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
