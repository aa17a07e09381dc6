import socket
import time

import pytest

from qarank import hub
from qarank.hub import is_hub_reachable

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
PROXIES = ("HTTPS_PROXY", "https_proxy")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice of the machine's own gets into these tests."""
    for name in (*OFFLINE, *PROXIES, "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def listener() -> socket.socket:
    """Takes connections on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_hub_that_takes_connections_is_reachable(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://{address_of(listener)}")
    assert is_hub_reachable()


@pytest.mark.parametrize("name", OFFLINE)
@pytest.mark.parametrize("value", ["1", "true", "Yes", "ON"])
def test_offline_by_choice_is_unreachable(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://{address_of(listener)}")
    monkeypatch.setenv(name, value)
    assert not is_hub_reachable()


def test_a_closed_port_is_unreachable(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_of(listener)
    listener.close()
    monkeypatch.setenv("HF_ENDPOINT", f"http://{address}")
    assert not is_hub_reachable()


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_behind_a_proxy_the_proxy_is_asked(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    monkeypatch.setenv("HTTPS_PROXY", scheme + address_of(listener))
    assert is_hub_reachable()


def test_a_name_look_up_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object) -> socket.socket:
        time.sleep(5)
        raise OSError

    monkeypatch.setattr(hub, "CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(socket, "create_connection", hang)
    begin = time.monotonic()
    assert not is_hub_reachable()
    assert time.monotonic() - begin < 1.0


@pytest.mark.parametrize(
    "endpoint", ["http://host:port", "http://", "nonsense:", "http://" + "a" * 70 + ".invalid"]
)
def test_an_address_that_cannot_be_read_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setattr(hub, "CONNECT_TIMEOUT_S", 0.5)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert not is_hub_reachable()


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [("https://huggingface.co", ("huggingface.co", 443)), ("http://mirror", ("mirror", 80))],
)
def test_the_port_follows_from_the_scheme(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, address: tuple[str, int]
) -> None:
    asked = []

    def take(where: tuple[str, int], _: float) -> socket.socket:
        asked.append(where)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", take)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert is_hub_reachable()
    assert asked == [address]
