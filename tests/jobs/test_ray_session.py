import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import pytest

from qarank.errors import LaunchError, StoppedError
from qarank.jobs import ray_session
from qarank.jobs.ray_session import import_ray, join_ray, say_briefly


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody listens there and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def join(address: str | None) -> None:
    with join_ray(address):
        pytest.fail("it joined")


def test_without_ray_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LaunchError, match=r"^jobs on Ray need .*: pip install 'qarank\[ray\]'$"):
        import_ray()


def test_ray_is_not_loaded_until_it_is_asked_for() -> None:
    code = "import sys, qarank.jobs.ray_cluster; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nobody_listens_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, silent_port: int, form: str
) -> None:
    monkeypatch.setattr(ray_session, "_require_answer", lambda address: pytest.fail("it asked"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(LaunchError, match=rf"^no Ray cluster answers at {form.format(free)}: \S"):
        join(form.format(free))


def test_an_address_that_is_none_is_told_in_rays_words() -> None:
    with pytest.raises(LaunchError, match=r"^no Ray cluster can be joined at nowhere: \S") as told:
        join("nowhere")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("address", ["127.0.0.1:port", "127.0.0.1:99999"])
def test_a_port_that_is_none_is_told(address: str) -> None:
    with pytest.raises(LaunchError, match=rf"^no Ray cluster answers at {address}: .*[Pp]ort"):
        join(address)


def test_what_listens_and_is_no_cluster_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    monkeypatch.setattr(ray_session, "ANSWER_S", 3.0)
    with pytest.raises(LaunchError, match=r"does not answer as a Ray cluster does, .* 3 s$"):
        join(f"127.0.0.1:{silent_port}")


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("why\nadvice", "why"),
        ("Failure from server:\nTraceback\n  File\nRuntimeError: why\n", "RuntimeError: why"),
        ("", "RuntimeError"),
    ],
)
def test_errors_of_ray_are_cut_to_a_line(text: str, brief: str) -> None:
    assert say_briefly(RuntimeError(text)) == brief


class StandIn(SimpleNamespace):
    """In Ray's place, to do what Ray does to a process while it starts."""

    def __init__(self, start: Callable[[], object]) -> None:
        self.start, self.calls, self.settings = start, list[str](), dict[str, Any]()

    def init(self, **settings: Any) -> None:
        self.calls.append("init")
        self.settings = settings
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        self.start()

    def shutdown(self) -> None:
        self.calls.append("shutdown")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], StandIn]:
    def put(start: Callable[[], object]) -> StandIn:
        ray = StandIn(start)
        monkeypatch.setattr(ray_session, "import_ray", lambda: ray)
        return ray

    return put


def test_signals_are_answered_as_before_and_ray_is_shut_down(
    stand_in: Callable[[Callable[[], object]], StandIn],
) -> None:
    ray = stand_in(lambda: None)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), join_ray(None) as joined:
        assert joined is ray and ray.calls == ["init"]
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
        raise ZeroDivisionError
    assert ray.calls == ["init", "shutdown"]
    assert ray.settings["address"] == "local", "none that the environment names"
    assert ray.settings["include_dashboard"] is False


def test_sigterm_while_ray_starts_is_a_stop(
    stand_in: Callable[[Callable[[], object]], StandIn],
) -> None:
    ray = stand_in(lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(StoppedError) as stopped:
        join(None)
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert ray.calls == ["init", "shutdown"]


def test_who_leaves_at_once_while_ray_starts_leaves_as_ever(
    stand_in: Callable[[Callable[[], object]], StandIn],
) -> None:
    ray = stand_in(lambda: sys.exit(130))
    with pytest.raises(SystemExit, match="130"):
        join(None)
    assert ray.calls == ["init", "shutdown"]


def test_a_cluster_that_does_not_start_here_is_told(
    stand_in: Callable[[Callable[[], object]], StandIn],
) -> None:
    def fail() -> None:
        raise Exception("The current node timed out during startup. This could be.")  # as Ray does

    ray = stand_in(fail)
    with pytest.raises(LaunchError, match=r"^no Ray cluster can be started on this machine: The"):
        join(None)
    assert ray.calls == ["init", "shutdown"], "what was started so far is ended"


def test_what_ray_prints_is_a_note_and_no_output(
    stand_in: Callable[[Callable[[], object]], StandIn],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in(lambda: print("(raylet) a node is gone\n\n"))
    with caplog.at_level(logging.DEBUG, "qarank"), join_ray(None):
        print("another")
    assert caplog.messages == ["ray: (raylet) a node is gone", "ray: another"]
    assert capsys.readouterr().out == ""
    with redirect_stdout(sys.stdout):
        print("as before")
    assert capsys.readouterr().out == "as before\n"
