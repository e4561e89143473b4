"""The stop command: used instead of SIGTERM, never trusted."""

from pathlib import Path

import pytest
import trio

from llamaswap.schedule.events import Exited
from tests.allowance import ALLOWANCE_S
from tests.models.living import Lives, Run

pytestmark = pytest.mark.processes


async def stopped(lives: Lives, *cmd_stop: str, flags: tuple[str, ...] = (), grace: float = 30.0) -> tuple[Run, str]:
    """The run, and how it ended."""
    run = lives.begin(lives.server(*flags, cmd_stop=cmd_stop, env=("STOP_WORD=please",)))
    await run.next_fact()
    fact = await run.end(grace)
    assert isinstance(fact, Exited)
    assert run.left_at_the_end == []
    return run, fact.detail


async def test_it_is_used_with_the_pid_and_its_output_is_kept(lives: Lives) -> None:
    run, detail = await stopped(lives, "sh", "-c", "echo $STOP_WORD; kill -INT $0", "${PID}")
    assert detail == "signal SIGINT"
    assert b"please" in run.sink.data


@pytest.mark.parametrize("command", [("sleep", "60"), ("sh", "-c", "trap '' TERM; sleep 60")])
async def test_one_that_hangs_is_killed_with_the_rest(lives: Lives, command: tuple[str, ...]) -> None:
    began = trio.current_time()
    _, detail = await stopped(lives, *command, grace=0.5)
    assert detail == "signal SIGKILL"
    assert trio.current_time() - began < 5 + ALLOWANCE_S


async def test_one_that_is_missing_falls_back_to_sigterm(lives: Lives) -> None:
    assert (await stopped(lives, "no-such-program"))[1] == "signal SIGTERM"


async def test_one_that_cannot_be_executed_falls_back_to_sigterm(lives: Lives, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    assert (await stopped(lives, str(broken)))[1] == "signal SIGTERM"


async def test_one_that_fails_is_followed_by_force(lives: Lives) -> None:
    assert (await stopped(lives, "false", grace=0.3))[1] == "signal SIGKILL"


async def test_it_may_finish_after_the_model_has_ended(lives: Lives, tmp_path: Path) -> None:
    script = f"kill -TERM $0; sleep 0.3; touch {tmp_path}/finished"
    await stopped(lives, "sh", "-c", script, "${PID}")
    assert (tmp_path / "finished").exists()
