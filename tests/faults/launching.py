"""Commands in processes of their own that may be killed; see warm_server.py."""

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal that killed it, and its streams."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.splitlines()[-1]


@dataclass
class Job:
    """A command that has been started."""

    pid: int
    folder: Path
    status: int | None = None

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    @property
    def err(self) -> str:
        return (self.folder / "stderr").read_text()


@dataclass
class Launcher:
    """Starts commands by the warm server."""

    folder: Path
    server: subprocess.Popen[bytes]
    jobs: dict[int, Job] = field(default_factory=dict)

    def start(self, *arguments: object, **faults: Mapping[str, Any]) -> Job:
        folder = self.folder / f"job_{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        streams = {name: str(folder / name) for name in ("stdout", "stderr")}
        for path in streams.values():
            Path(path).touch()
        request = {"arguments": [str(word) for word in arguments], "faults": faults, **streams}
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps(request).encode() + b"\n")
        pid = None
        while pid is None:
            pid = self.listen(30)
        self.jobs[pid] = Job(pid, folder)
        return self.jobs[pid]

    def wait(self, job: Job, timeout: float = 60) -> Ended:
        until = time.monotonic() + timeout
        while job.status is None:
            self.listen(until - time.monotonic())
        code = os.waitstatus_to_exitcode(job.status)
        return Ended(code, (job.folder / "stdout").read_text(), job.err)

    def run(self, *arguments: object, **faults: Mapping[str, Any]) -> Ended:
        return self.wait(self.start(*arguments, **faults))

    def listen(self, timeout: float) -> int | None:
        """Take the server's next line; the pid of a job that has just been started."""
        stdout = self.server.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], max(0, timeout))
        assert ready, "the server says nothing"
        line = stdout.readline()
        assert line, "the server has ended"
        message = json.loads(line)
        if "status" in message:
            self.jobs.pop(message["pid"]).status = message["status"]
        elif "pid" in message:
            return int(message["pid"])
        return None

    def close(self) -> None:
        self.server.communicate(timeout=20)
