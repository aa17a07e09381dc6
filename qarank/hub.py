"""Is a hub within reach? Asked before a hub library is, which would retry for minutes.

Both models and data sets come from the hub, so this stands below both rooms.
"""

import os
import socket
import threading
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 2.0


def is_hub_reachable() -> bool:
    """Whether the hub named by HF_ENDPOINT takes a connection within two seconds.

    Offline by choice (HF_HUB_OFFLINE, HF_DATASETS_OFFLINE or TRANSFORMERS_OFFLINE) counts as
    unreachable. Behind a proxy the proxy is what must answer.
    """
    offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    if any(os.environ.get(name, "").upper() in {"1", "TRUE", "YES", "ON"} for name in offline):
        return False
    answered = threading.Event()
    # A socket's time-out does not bound the look-up of the name; a thread left behind does. It is
    # a daemon, so it keeps no process alive.
    asker = threading.Thread(target=_connect, args=(*_hub_address(), answered), daemon=True)
    asker.start()
    asker.join(CONNECT_TIMEOUT_S)
    return answered.is_set()


def _hub_address() -> tuple[str, int]:
    """Host and port to ask; no host where the address cannot be read."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    text = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or endpoint
    try:
        address = urlsplit(text if "://" in text else f"//{text}")
        return address.hostname or "", address.port or (443 if address.scheme == "https" else 80)
    except ValueError:  # a port that is no number
        return "", 0


def _connect(host: str, port: int, answered: threading.Event) -> None:
    if not host:
        return
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except (OSError, UnicodeError):  # UnicodeError: a host name no look-up can take
        return
    answered.set()
