"""Whatever happens to a life, at whatever moment: one last fact, and nothing left when it is posted."""

import os
import random
import signal
from contextlib import suppress

import pytest
import trio

from llamaswap.schedule.events import Dying, Exited, Started, StartFailed
from tests.models.living import Lives, Run

pytestmark = pytest.mark.processes

ROUNDS = int(os.environ.get("LLAMASWAP_ROUNDS", "40"))
SEED = int(os.environ.get("LLAMASWAP_SEED", random.randrange(1 << 30)))
KINDS = [[], ["--ignore-term"], ["--wrap"], ["--background"], ["--setsid", "--double-fork"], ["--exit-after", "0.2"]]


async def interrupt(dice: random.Random, run: Run, scope: trio.CancelScope) -> str:
    """Do one or two harmful things at random moments."""
    done = []
    for _ in range(dice.choice([1, 2])):
        await trio.sleep(dice.choice([0, dice.uniform(0, 0.02), dice.uniform(0, 0.4)]))
        what = dice.choice(["stop", "cancel", "kill the model", "kill the guard", "suspend the guard"])
        done.append(what)
        process = run.life._process
        guard = process.guard_pid if process else None
        with suppress(ProcessLookupError):
            match what:
                case "stop":
                    run.life.stop(dice.choice([0.0, 0.1, 0.3]))
                case "cancel":
                    scope.cancel()
                case "kill the model" if run.life.pid:
                    os.kill(run.life.pid, signal.SIGKILL)
                case "kill the guard" if guard:
                    os.kill(guard, signal.SIGKILL)
                case "suspend the guard" if guard:
                    os.kill(guard, signal.SIGSTOP)
                    await trio.sleep(0.1)
                    os.kill(guard, signal.SIGCONT)
    run.life.stop(0.2)
    return ", ".join(done)


async def one_life(lives: Lives, number: int) -> None:
    dice = random.Random(f"{SEED}/{number}")
    flags = [*dice.choice(KINDS), "--load", "0.15"]
    run = lives.prepare(lives.server(*flags, unload_timeout=0.3))
    done = ""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.life.run)
            with trio.CancelScope(shield=True):
                done = await interrupt(dice, run, nursery.cancel_scope)
    story = f"seed {SEED} number {number} {flags}: {done}: {run.facts}"
    # A process that ends by itself is told of before the last of its tree is gone.
    kinds = [type(fact) for fact in run.facts if not isinstance(fact, Dying)]
    assert kinds in ([Started, Exited], [Exited], [StartFailed]), story
    assert run.left_at_the_end == [], story


async def test_any_interruption_at_any_moment_ends_in_one_last_fact(lives: Lives) -> None:
    limit = trio.CapacityLimiter(6)

    async def one(number: int) -> None:
        async with limit:
            await one_life(lives, number)

    async with trio.open_nursery() as nursery:
        for number in range(ROUNDS):
            nursery.start_soon(one, number)
