"""The one line that a finished request leaves in the log."""

from urllib.parse import unquote

from llamaswap.proxy.request import Client, Request

#: What the line says when the client left before it was told a status.
CLIENT_CLOSED_REQUEST = 499
#: Of each text that the client chose so much is shown; unquoting and escaping a megabyte would stall everybody.
_MOST_BYTES = 2048


def request_line(request: Request, client: Client, duration_s: float) -> str:
    """``Request CLIENT "METHOD PATH PROTO" STATUS BYTES "USER-AGENT" DURATION``; the path decoded, without query."""
    known = request.known
    forwarded = known.get(b"x-forwarded-for", b"").partition(b",")[0].strip()
    address = (forwarded or known.get(b"x-real-ip", b"") or client.address)[:_MOST_BYTES]
    path = request.path[:_MOST_BYTES].decode("latin-1")
    if "%" in path:
        path = unquote(path, errors="replace")
    agent = known.get(b"user-agent", b"")[:_MOST_BYTES].decode("latin-1")
    protocol = "HTTP/1.0" if request.http10 else "HTTP/1.1"
    status = client.status if client.head_sent else CLIENT_CLOSED_REQUEST
    method = request.method.decode("latin-1")
    line = (
        f'Request {address.decode("latin-1")} "{method} {path} {protocol}" {status} {client.bytes_sent} "{agent}" '
        f"{duration(duration_s)}"
    )
    # Whoever asks chooses most of this text; it must neither end the line nor steer a terminal.
    return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def duration(seconds: float) -> str:
    """As Go prints one: the largest unit that keeps a digit before the point; minutes and hours from a minute on."""
    if seconds < 1e-3:
        return f"{round(seconds * 1e6, 3):g}µs"
    if seconds < 1:
        return f"{round(seconds * 1e3, 6):.9g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{round(rest, 9):.11g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
