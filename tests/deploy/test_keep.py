"""What `make run` starts: started again when it dies, gone with who started it, and only once."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

DYING = "import sys; open(sys.argv[1], 'a').write('x')"
LASTING = (
    "import os, sys, time, signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
)


@contextmanager
def kept(code: str, note: Path, starter: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A keeper of a program that notes something in a file."""
    starter = str(os.getpid()) if starter is None else starter
    program = [sys.executable, "-c", code, str(note)]
    command = [sys.executable, "-m", "deploy.keep", starter, *program]
    keeper = subprocess.Popen(command)
    try:
        yield keeper
    finally:
        keeper.kill()
        keeper.wait()


def soon(true: Callable[[], bool]) -> bool:
    """Whether something becomes true within twenty seconds."""
    deadline = time.monotonic() + 20
    while not (now := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    note = tmp_path / "starts"
    with kept(DYING, note) as keeper:
        assert soon(lambda: note.exists() and len(note.read_text()) >= 3)
        keeper.terminate()
        assert keeper.wait(timeout=10) == 0


def test_a_signal_ends_both_in_order(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with kept(LASTING, note) as keeper:
        assert soon(lambda: note.exists() and bool(note.read_text()))
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(timeout=10) == 0
        assert not psutil.pid_exists(int(note.read_text()))


def test_nothing_outlives_who_started_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with kept(LASTING, note) as keeper:
        assert soon(lambda: note.exists() and bool(note.read_text()))
        keeper.kill()
        assert soon(lambda: not psutil.pid_exists(int(note.read_text())))


def test_nothing_outlives_the_first_that_started_anything(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    starter = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with kept(LASTING, note, str(starter.pid)) as keeper:
        assert soon(lambda: note.exists() and bool(note.read_text()))
        starter.kill()
        starter.wait()
        assert keeper.wait(timeout=10) == 0
        assert not psutil.pid_exists(int(note.read_text()))


def test_a_second_start_on_a_home_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    with (tmp_path / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.run(
            [sys.executable, "-m", "deploy.run"],
            env={"HOTLINE_HOME": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
