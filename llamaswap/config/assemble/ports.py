"""Ports that do not exist, and ports that two programs would want."""

from urllib.parse import urlsplit

from llamaswap.config.assemble.models import BuiltModel

_MOST_PORT = 65535


def check_ports(models: list[BuiltModel]) -> None:
    """Warn of ports that do not exist, and of a port written by hand that is also given out."""
    given_out = {b.model.port: b for b in models if b.model.port is not None}
    for built in models:
        port = port_of(built.model.proxy)
        ours = built.model.owns_port
        if port is not None and port > _MOST_PORT:
            remedy = "lower startPort" if ours else f"write a port up to {_MOST_PORT}"
            built.fields.warn("proxy", f"there is no port {port}", remedy, code="port")
        elif port in given_out and given_out[port] is not built:
            what = f"the port {port} is also given out to the model {given_out[port].model.id}"
            built.fields.warn("proxy", what, "use ${PORT} here too, or move startPort away", code="port-clash")


def port_of(url: str) -> int | None:
    """The port that *url* names, if it names one."""
    try:
        digits = urlsplit(url).netloc.rpartition("@")[2].rpartition(":")[2]
    except ValueError:
        return None
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None
