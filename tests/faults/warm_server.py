"""Runs the command line in real processes that need not import it first.

A process that has imported all and done nothing yet forks one child a command. The child gets a
process group of its own, its own streams, the faults it is to suffer, and calls main().

In, a line of JSON: arguments, stdout, stderr, faults. Out: {"pid"} at once, {"pid", "status"} of
each child that has ended, in whatever order they end.
"""

import importlib
import json
import os
import select
import signal
import sys
from typing import Any, NoReturn

import injections  # beside this file: a script's folder is where Python looks first

MODULES = (
    "qarank.cli.app",
    "qarank.cli.render",
    "qarank.workflows.reach",
    "qarank.workflows.train",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
    "PIL.PngImagePlugin",
)
RUNNING: set[int] = set()


def main() -> None:
    for name in MODULES:
        importlib.import_module(name)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write_end)
    say({"ready": True})
    requests = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([requests, read_end], [], [])
        if read_end in ready:
            os.read(read_end, 4096)
            tell_ended()
        if requests in ready:
            line = read_line(requests)
            if not line:
                kill_all()
                return
            start(json.loads(line))


def read_line(descriptor: int) -> bytes:
    """Unbuffered: select knows nothing of what a buffer holds."""
    line = b""
    while not line.endswith(b"\n"):
        letter = os.read(descriptor, 1)
        if not letter:
            return b""
        line += letter
    return line


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def tell_ended() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        RUNNING.discard(pid)
        say({"pid": pid, "status": status})


def kill_all() -> None:
    """Whatever has become of who asked for them, nothing is left running."""
    for pid in RUNNING:
        os.killpg(pid, signal.SIGKILL)


def start(request: dict[str, Any]) -> None:
    pid = os.fork()
    if pid:
        RUNNING.add(pid)
        say({"pid": pid})
    else:
        run_command(request)


def run_command(request: dict[str, Any]) -> NoReturn:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    sys.argv = ["qarank", *request["arguments"]]
    for name, settings in request["faults"].items():
        injections.FAULTS[name](**settings)
    sys.modules["qarank.cli.app"].main()
    sys.exit(0)


if __name__ == "__main__":
    main()
