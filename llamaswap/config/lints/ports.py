"""Ports that two programs would want, or that nobody listens on."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator

from llamaswap.config.lints.address import host_of, is_here, port_here
from llamaswap.config.lints.facts import Facts, Lint
from llamaswap.config.lints.together import Together
from llamaswap.config.schema import ModelConfig

_LEAST_FREE_PORT = 1024
_PORT_OPTION = re.compile(r"(?<!\S)--port[ =](\d{2,5})(?!\S)")
#: Programs that run where they are started: what they say about a port is what holds.
_LOCAL_SERVERS = frozenset({"llama-server", "llama-server.exe", "vllm", "koboldcpp", "whisper-server", "tabbyapi"})


def shared_port(facts: Facts) -> Iterator[Lint]:
    """Two models with the same port written by hand, which may run at the same time."""
    together = Together(facts.routing)
    by_port: defaultdict[int, list[ModelConfig]] = defaultdict(list)
    for model in facts.config.models.values():
        port = port_here(model.proxy)
        if port is not None and not model.owns_port and _mentions(model, port):
            by_port[port].append(model)
    for port, models in by_port.items():
        for one, other in itertools.pairwise(models):
            if together.may(one.id, other.id):
                what = f"the model {one.id} listens on the port {port} too, and both may run at the same time"
                remedy = "use ${PORT} in cmd and leave proxy out, or put them where one evicts the other"
                yield Lint("shared-port", ("models", other.id, "proxy"), what, remedy)


def listen_clash(facts: Facts) -> Iterator[Lint]:
    """A model, or a peer, at the very address of the daemon."""
    if not facts.listen_port:
        return
    for model in facts.config.models.values():
        if facts.listen_port in (model.port, port_here(model.proxy)):
            what = f"the daemon itself listens on the port {facts.listen_port}"
            remedy = "move startPort away" if model.port == facts.listen_port else "give the model another port"
            yield Lint("listen-clash", ("models", model.id, "proxy"), what, f"{remedy}, or -listen elsewhere")
    for peer in facts.config.peers.values():
        if port_here(peer.proxy) == facts.listen_port:
            what = f"this peer is the daemon itself, which listens on the port {facts.listen_port}"
            yield Lint("peer-loop", ("peers", peer.id, "proxy"), what, "write the address of the other server")


def low_port(facts: Facts) -> Iterator[Lint]:
    """Ports given out that only root may listen on."""
    ports = [model.port for model in facts.config.models.values() if model.port is not None]
    if ports and min(ports) < _LEAST_FREE_PORT:
        what = f"ports are given out from {min(ports)} on, and below {_LEAST_FREE_PORT} only root may listen"
        yield Lint("low-port", ("startPort",), what, f"write {_LEAST_FREE_PORT} or more; the default is 5800")


def port_not_used(facts: Facts) -> Iterator[Lint]:
    """The command takes the port that is given out, and requests are sent to another one."""
    for model in facts.config.models.values():
        port = port_here(model.proxy)
        if model.port is None or model.owns_port or port in (None, model.port) or _mentions(model, port):
            continue
        what = f"cmd uses ${{PORT}}, but requests are sent to the port {port}, of which cmd says nothing"
        remedy = "leave proxy out, or write ${PORT} in it"
        yield Lint("port-not-used", ("models", model.id, "proxy"), what, remedy)


def port_mismatch(facts: Facts) -> Iterator[Lint]:
    """The command names one port by ``--port``, and requests are sent to another one."""
    for model in facts.config.models.values():
        port, option = port_here(model.proxy), _PORT_OPTION.search(model.cmd)
        if option is None or model.port is not None or port is None or _mentions(model, port):
            continue
        what = f"requests are sent to the port {port}, but cmd says --port {option[1]}"
        yield Lint("port-mismatch", ("models", model.id, "proxy"), what, "write the same port in both")


def remote_proxy(facts: Facts) -> Iterator[Lint]:
    """A server that is started here, and requests that go to another machine."""
    for model in facts.config.models.values():
        host, program = host_of(model.proxy), model.argv[0].rpartition("/")[2] if model.argv else ""
        if host and program in _LOCAL_SERVERS and not is_here(model.proxy) and host not in model.cmd.lower():
            path = ("models", model.id, "proxy")
            there = host if facts.written.may_show(path) else "another one"
            what = f"cmd starts {program} on this machine, but requests are sent to {there}"
            remedy = "write http://127.0.0.1:${PORT}; for a server that runs elsewhere use peers"
            yield Lint("remote-proxy", path, what, remedy)


def _mentions(model: ModelConfig, port: int | None) -> bool:
    return re.search(rf"(?<!\d){port}(?!\d)", model.cmd) is not None


RULES = (shared_port, listen_clash, low_port, port_not_used, port_mismatch, remote_proxy)
