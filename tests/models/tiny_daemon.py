"""A daemon of one model, to be killed: ``tiny_daemon.py PORT FLAG...`` runs the fake server and writes each fact."""

import signal
import sys
from pathlib import Path

import trio

from llamaswap.config.schema import ModelConfig, ModelId
from llamaswap.models.supervisor import ModelLife
from llamaswap.schedule.events import Event, Life

FAKE_SERVER = Path(__file__).parents[1] / "fake_server.py"


class Silence:
    def write(self, data: bytes) -> None:
        pass

    def tail(self, limit_bytes: int) -> bytes:
        return b""


def spec(port: str, flags: list[str]) -> ModelConfig:
    argv = (sys.executable, "-I", "-S", str(FAKE_SERVER), "--port", port, *flags)
    proxy = f"http://127.0.0.1:{port}"
    return ModelConfig(id=ModelId("doomed"), cmd=" ".join(argv), argv=argv, proxy=proxy, owns_port=True)


async def main() -> None:
    """One life; told to stop as soon as it is ready when the first flag is ``stop``."""
    port, stops, *flags = sys.argv[1:]

    def post(fact: Event) -> None:
        print(fact, flush=True)
        if stops == "stop":
            life.stop(5.0)

    life = ModelLife(spec(port, flags), Life(1), post, Silence())
    print("running", flush=True)
    await life.run()
    await trio.sleep_forever()


# Whoever started the tests may ignore these, as `nohup` does; then so would we, and nothing would end us.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
trio.run(main)
