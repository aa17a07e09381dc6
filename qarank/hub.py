"""Is a hub within reach? Asked before a hub library is, which would retry for minutes.

Both models and data sets come from the hub, so this stands below both rooms.
"""

import os
import socket
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
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    address = urlsplit(proxy or endpoint)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True
