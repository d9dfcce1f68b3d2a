"""Starting the load generator in a process of its own, and reading what it saw."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from deploy.load.jobs import Job, Seen
from deploy.load.measures import Unmeasured
from deploy.stack import CHECKOUT

Result = Callable[[], Sequence[Seen]]


@contextlib.contextmanager
def loading(jobs: Sequence[Job]) -> Iterator[Result]:
    """Jobs that run during the block; the result waits for them, and raises Unmeasured.

    However the block ends, no load goes on behind it.
    """
    with tempfile.TemporaryFile("w+") as orders, tempfile.TemporaryFile("w+") as said:
        json.dump([asdict(job) for job in jobs], orders)
        orders.seek(0)
        command = [sys.executable, "-m", "deploy.load.client"]
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=orders, stdout=said, stderr=subprocess.STDOUT
        )

        def result() -> Sequence[Seen]:
            process.wait()
            said.seek(0)
            if process.returncode != 0:
                raise Unmeasured(f"the load generator failed: {said.read()[-2000:]}")
            return [Seen(**seen) for seen in json.load(said)]

        try:
            yield result
        finally:
            process.kill()
            process.wait()


def run_jobs(jobs: Sequence[Job]) -> Sequence[Seen]:
    """Have the jobs done, one after the other. Raises Unmeasured."""
    with loading(jobs) as result:
        return result()
