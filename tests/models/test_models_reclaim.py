"""What an earlier daemon left behind is ended; what only looks like it is not touched."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from llamaswap.models import markers
from llamaswap.models.markers import LIFE, OWNER, find_marked, own_mark, owner_is_dead
from llamaswap.models.proctable import Process, descendants, is_alive, process_table, read_process, signal_process
from llamaswap.models.reclaim import reclaim_orphans

pytestmark = pytest.mark.processes

Sleeper = Callable[[dict[str, str]], subprocess.Popen[bytes]]
IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
)


@pytest.fixture(autouse=True)
def namespace(monkeypatch: pytest.MonkeyPatch) -> str:
    """One of our own: other daemons on this machine look for what dead ones have left, too, and would find ours."""
    name = f"[{os.getpid()}]"
    monkeypatch.setattr(markers, "_namespace", lambda: name)
    return name


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """Starts processes with the given marks that ignore SIGTERM."""
    started: list[subprocess.Popen[bytes]] = []

    def start(marks: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", "-c", IGNORES_TERM]
        process = subprocess.Popen(command, env=os.environ | marks, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def dead_mark() -> str:
    """The mark of a daemon that existed and has ended."""
    process = subprocess.Popen(["sleep", "9"])
    row = read_process(process.pid)
    assert row
    process.kill()
    process.wait()
    return f"{process.pid}:{row.start}:{own_mark().rpartition(':')[2]}"


def test_orphans_are_ended_and_told(sleeper: Sleeper, dead_mark: str) -> None:
    orphan = sleeper({OWNER: dead_mark, LIFE: "abc:my:model"})
    (reclaimed,) = reclaim_orphans()
    assert (reclaimed.pid, reclaimed.model, reclaimed.owner, reclaimed.ended) == (
        orphan.pid,
        "my:model",
        dead_mark,
        True,
    )
    assert orphan.wait(20) == -signal.SIGKILL


def test_who_was_forked_while_the_table_was_read_is_found_too(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent had been listed, and had ended when it was its turn: neither was seen, and the child lived on."""
    child = sleeper({LIFE: "abc:forked"})
    listed = [process_table()]
    listed[0].pop(child.pid)
    monkeypatch.setattr(markers, "process_table", lambda known=(): listed.pop() if listed else process_table(known))
    assert [process.pid for process, _ in find_marked(lambda marks: marks.get(LIFE) == "abc:forked")] == [child.pid]


def test_look_alikes_are_untouched(sleeper: Sleeper, dead_mark: str) -> None:
    elsewhere = dead_mark.rpartition(":")[0] + ":[1]"
    marks = [
        {},
        {OWNER: own_mark()},
        {OWNER: elsewhere},
        {OWNER: "nonsense"},
        {LIFE: "abc:m"},
        {"X": f"{OWNER}={dead_mark}"},
    ]
    others = [sleeper(each) for each in marks]
    reclaim_orphans()
    assert all(each.poll() is None for each in others)


def test_a_daemon_never_reclaims_itself(dead_mark: str, namespace: str) -> None:
    """It may have been started from a terminal that a model of a dead daemon had opened."""
    ours = f'from llamaswap.models import markers; markers._namespace = lambda: "{namespace}"'
    code = f"{ours}; from llamaswap.models.reclaim import reclaim_orphans; reclaim_orphans(); print(1)"
    env = os.environ | {OWNER: dead_mark}
    shell = f"{sys.executable} -c '{code}'; true"
    assert subprocess.run(["sh", "-c", shell], env=env, capture_output=True, check=True).stdout == b"1\n"


def test_a_reused_number_is_another_daemon() -> None:
    pid, start, namespace = own_mark().split(":")
    assert not owner_is_dead(own_mark())
    assert owner_is_dead(f"{pid}:{int(start) + 1}:{namespace}")


def test_a_signal_never_hits_the_next_holder_of_a_number(sleeper: Sleeper) -> None:
    process = sleeper({})
    row = read_process(process.pid)
    assert row and is_alive(row)
    earlier = Process(row.pid, row.ppid, row.session, row.start - 1, row.state)
    assert not is_alive(earlier)
    assert not signal_process(earlier, signal.SIGKILL)
    assert process.poll() is None
    assert signal_process(row, signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL
    assert not signal_process(row, signal.SIGKILL)


def test_descendants_are_found_at_any_depth_and_zombies_left_out() -> None:
    def row(pid: int, ppid: int, state: str = "S") -> Process:
        return Process(pid, ppid, pid, 0, state)

    table = {each.pid: each for each in [row(1, 0), row(5, 1), row(6, 5), row(7, 6), row(8, 5, "Z"), row(9, 1)]}
    assert [each.pid for each in descendants(table, 5)] == [6, 7]
    assert os.getpid() in [each.pid for each in descendants(process_table(), os.getppid())]


def test_a_name_with_parentheses_does_not_confuse_the_table() -> None:
    code = "import sys; open('/proc/self/comm', 'w').write('a) R 1 ('); print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"up\n"
        row = read_process(process.pid)
        assert row and row.ppid == os.getpid()
        process.communicate()
