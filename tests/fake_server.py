"""A model server that misbehaves on request: one stand-alone program, standard library only, quick to start.

    python -I -S tests/fake_server.py --port 5801 --name a --load 0.5

Start and health
    --port N, --host H   where to listen (0: any; the choice is printed as ``LISTENING N``)
    --name NAME          the model's name in answers and ledger
    --load S             seconds until ready; until then /health is 503 (or, with --bind-late, the port is not bound).
                         Prints ``READY <CLOCK_MONOTONIC>`` just before that moment
    --load-while FILE    and then not ready as long as FILE is there
    --health-status N    what /health answers once loaded (default 200); --health-path P where (default /health)
    --health-hang        /health accepts and never answers
    --flood BYTES        write so much log before loading; --flood-forever does not stop
    --hold MIB           take so much memory
Process
    --ignore-term        SIGTERM does nothing
    --stop-delay S       take so long to end after SIGTERM; --stop-while FILE: and then as long as FILE is there
    --background         the leader forks the server and exits 0
    --wrap               the leader forks the server and waits for it; SIGTERM ends only the leader
    --double-fork        beside the server: a grandchild that detached itself (own session), ignoring TERM
    --setsid             beside the server: a child in a session of its own, ignoring TERM
    --clean-env          stragglers and servers forked off execute themselves anew without any environment
    --exit-after S, --exit-code N   end by itself, so long after it has begun to listen
    --lock FILE          hold an exclusive lock as a GPU would be, through the life of every process of the tree;
                         finding it taken writes a ``violation`` line to the ledger
    --shared             take that lock shared: models that do so may be alive together
    --roll DIR           hold an exclusive lock on DIR/NAME likewise; the ``start`` line in the ledger then tells in
                         ``beside`` which other models' files there are held at that moment
    --ledger FILE        a JSON line for each request received: model, method, path, request_id (X-Request-Id), sha256
                         and length of the body; and for each start and violation: event, model, pid
Answers
    --tokens N, --token-delay S   length and speed of completions
    --pause FILE         go no further after a token as long as FILE is there
    --answer-delay S     think before the first byte
    --crash-at-byte N    die (SIGKILL) once so many body bytes of an answer were sent
    --never-answer       accept model requests and stay silent

Endpoints: the health path, /v1/models, /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/messages (plain, and
streamed when the body says ``"stream": true``), /echo (request head and body as JSON), /sse?n=&ms=&size=, /big?bytes=
(&chunked=1), /slow?ms=, /status?code=, /abort-before-head, /abort-in-head, /abort-mid-body (&chunked=1), /ws (websocket
echo). HTTP/1.1 with keep-alive; a thread for each connection. Anything else is 404.
"""

import argparse
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

ARGS = argparse.Namespace()
READY = threading.Event()
PIECE = b"x" * 65536


class Request:
    """One request as read from the wire."""

    def __init__(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        parts = urlsplit(target)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def number(self, name: str, default: float) -> float:
        return float(self.query.get(name, default))

    def json(self) -> dict[str, object]:
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Connection:
    """One connection, served by one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")
        self.sent = 0

    def serve(self) -> None:
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := self.read()) is not None:
                self.sent = 0
                answer(self, request)
                if request.header("connection").lower() == "close":
                    break
        except (OSError, ValueError):
            pass
        finally:
            self.file.close()
            self.sock.close()

    def read(self) -> Request | None:
        line = self.file.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = []
        while raw := self.file.readline(65536).decode("latin-1").strip():
            key, _, value = raw.partition(":")
            headers.append((key, value.strip()))
        request = Request(line[0], line[1], headers, b"")
        if request.header("expect").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in request.header("transfer-encoding").lower():
            request.body = b"".join(self.read_chunks())
        else:
            request.body = self.file.read(int(request.header("content-length") or 0))
        return request

    def read_chunks(self) -> Iterator[bytes]:
        while size := int(self.file.readline().split(b";")[0], 16):
            yield self.file.read(size)
            self.file.readline()
        while self.file.readline().strip():
            pass

    def head(self, status: int, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Status'}", f"X-Fake-Model: {ARGS.name}", *headers]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def body(self, data: bytes) -> None:
        """Send body bytes, and die at the byte that was asked for."""
        limit = ARGS.crash_at_byte
        if limit is not None and self.sent + len(data) >= limit:
            self.sock.sendall(data[: limit - self.sent])
            os.kill(os.getpid(), signal.SIGKILL)
        self.sock.sendall(data)
        self.sent += len(data)

    def chunk(self, data: bytes) -> None:
        self.body(b"%x\r\n%b\r\n" % (len(data), data))

    def reply(self, status: int, data: bytes, kind: str = "application/json", method: str = "GET") -> None:
        self.head(status, f"Content-Type: {kind}", f"Content-Length: {len(data)}")
        if method != "HEAD":
            self.body(data)

    def reply_json(self, value: object, status: int = 200) -> None:
        self.reply(status, json.dumps(value).encode())

    def stream(self, events: Iterator[bytes]) -> None:
        self.head(200, "Content-Type: text/event-stream", "Cache-Control: no-cache", "Transfer-Encoding: chunked")
        for event in events:
            self.chunk(event)
        self.body(b"0\r\n\r\n")

    def abort(self) -> None:
        """Break the connection off with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raise ConnectionAbortedError


def answer(connection: Connection, request: Request) -> None:
    if request.path == ARGS.health_path:
        return answer_health(connection, request)
    record_request(request)
    if request.path.startswith("/v1/"):
        return answer_model(connection, request)
    return answer_oddity(connection, request)


def answer_health(connection: Connection, request: Request) -> None:
    if ARGS.health_hang:
        time.sleep(86400)
    connection.sent = -sys.maxsize  # --crash-at-byte counts answers to clients only
    status = ARGS.health_status if READY.is_set() else 503
    connection.reply(status, b'{"status":"ok"}' if status == 200 else b'{"status":"loading"}', method=request.method)


def answer_model(connection: Connection, request: Request) -> None:
    if ARGS.never_answer:
        time.sleep(86400)
    time.sleep(ARGS.answer_delay)
    body = request.json()
    stream = bool(body.get("stream"))
    match request.path:
        case "/v1/models":
            connection.reply_json({"object": "list", "data": [{"id": ARGS.name, "object": "model"}]})
        case "/v1/chat/completions" | "/v1/completions" if stream:
            connection.stream(openai_events(body, request.path.endswith("chat/completions")))
        case "/v1/chat/completions" | "/v1/completions":
            tokens = list(words())
            chat = request.path.endswith("chat/completions")
            text = {"message": {"role": "assistant", "content": "".join(tokens)}} if chat else {"text": "".join(tokens)}
            kind = "chat.completion" if chat else "text_completion"
            connection.reply_json(openai(kind, {"index": 0, "finish_reason": "stop", **text}, usage(body)))
        case "/v1/embeddings":
            data = [{"object": "embedding", "index": 0, "embedding": [0.0, 0.5, 1.0]}]
            connection.reply_json({"object": "list", "model": ARGS.name, "data": data, "usage": usage(body)})
        case "/v1/messages" if stream:
            connection.stream(anthropic_events())
        case "/v1/messages":
            content = [{"type": "text", "text": "".join(words())}]
            connection.reply_json({**anthropic(), "content": content, "stop_reason": "end_turn"})
        case _:
            connection.reply_json({"error": {"message": "no such path"}}, 404)


def answer_oddity(connection: Connection, request: Request) -> None:
    match request.path:
        case "/echo":
            head = {"method": request.method, "target": request.target, "headers": request.headers}
            connection.reply_json({**head, "model": ARGS.name, "body": request.body.decode("latin-1")})
        case "/sse":
            connection.stream(plain_events(request))
        case "/big":
            size, chunked = int(request.number("bytes", 1 << 20)), "chunked" in request.query
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            connection.head(200, "Content-Type: application/octet-stream", framing)
            for start in range(0, size, len(PIECE)):
                (connection.chunk if chunked else connection.body)(PIECE[: size - start])
            connection.body(b"0\r\n\r\n" if chunked else b"")
        case "/slow":
            time.sleep(request.number("ms", 1000) / 1000)
            connection.reply_json({"slow": True})
        case "/status":
            connection.reply_json({"status": True}, int(request.number("code", 200)))
        case "/abort-before-head":
            connection.abort()
        case "/abort-in-head":
            connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
            connection.abort()
        case "/abort-mid-body":
            chunked = "chunked" in request.query
            connection.head(200, "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000")
            (connection.chunk if chunked else connection.body)(b"half of the answer")
            connection.sock.shutdown(socket.SHUT_WR)
            raise ConnectionAbortedError
        case "/ws":
            websocket_echo(connection, request)
        case _:
            connection.reply_json({"error": {"message": "no such path"}}, 404)


def words() -> Iterator[str]:
    for number in range(ARGS.tokens):
        time.sleep(ARGS.token_delay)
        yield f"{ARGS.name}-{number} "
        wait_while(ARGS.pause)


def wait_while(path: str) -> None:
    while path and os.path.exists(path):  # noqa: PTH110 (pathlib is slow to import)
        time.sleep(0.005)


def usage(body: dict[str, object]) -> dict[str, int]:
    prompt = len(json.dumps(body.get("messages") or body.get("prompt") or body.get("input") or "").split())
    return {"prompt_tokens": prompt, "completion_tokens": ARGS.tokens, "total_tokens": prompt + ARGS.tokens}


def openai(kind: str, choice: dict[str, object] | None, used: dict[str, int] | None) -> dict[str, object]:
    value: dict[str, object] = {"id": "fake-1", "object": kind, "created": 0, "model": ARGS.name}
    value["choices"] = [choice] if choice else []
    return value | ({"usage": used} if used else {})


def openai_events(body: dict[str, object], chat: bool) -> Iterator[bytes]:
    kind = "chat.completion.chunk" if chat else "text_completion"
    for word in words():
        text = {"delta": {"role": "assistant", "content": word}} if chat else {"text": word}
        yield sse(openai(kind, {"index": 0, "finish_reason": None, **text}, None))
    last: dict[str, object] = {"delta": {}} if chat else {"text": ""}
    yield sse(openai(kind, {"index": 0, "finish_reason": "stop", **last}, None))
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield sse(openai(kind, None, usage(body)))
    yield b"data: [DONE]\n\n"


def anthropic() -> dict[str, object]:
    used = {"input_tokens": 3, "output_tokens": ARGS.tokens}
    message = {"id": "fake-1", "type": "message", "role": "assistant", "model": ARGS.name, "content": []}
    return {**message, "stop_reason": None, "stop_sequence": None, "usage": used}


def anthropic_events() -> Iterator[bytes]:
    yield sse({"type": "message_start", "message": anthropic()}, "message_start")
    block = {"type": "text", "text": ""}
    yield sse({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start")
    for word in words():
        delta = {"type": "text_delta", "text": word}
        yield sse({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
    yield sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield sse({"type": "message_delta", "delta": end, "usage": {"output_tokens": ARGS.tokens}}, "message_delta")
    yield sse({"type": "message_stop"}, "message_stop")


def sse(value: object, event: str = "") -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


def plain_events(request: Request) -> Iterator[bytes]:
    padding = "." * int(request.number("size", 0))
    for number in range(int(request.number("n", 10))):
        if number:
            time.sleep(request.number("ms", 10) / 1000)
        yield f"data: {number} {time.monotonic():.6f} {padding}\n\n".encode()


def websocket_echo(connection: Connection, request: Request) -> None:
    import base64  # noqa: PLC0415 (only here, and slow to import)
    import hashlib  # noqa: PLC0415

    key = request.header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    connection.head(101, "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}")
    while head := connection.file.read(2):
        size = head[1] & 127
        if size >= 126:
            size = int.from_bytes(connection.file.read(2 if size == 126 else 8), "big")
        mask = connection.file.read(4)
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(connection.file.read(size)))
        opcode = head[0] & 15
        first = head[0] if opcode != 9 else 0x8A  # a ping is answered by a pong
        extent = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        connection.sock.sendall(bytes([first]) + (extent if size < 65536 else b"\x7f" + size.to_bytes(8, "big")) + data)
        if opcode == 8:
            break
    raise ConnectionAbortedError


def record(**line: object) -> None:
    if ARGS.ledger:
        descriptor = os.open(ARGS.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps({"model": ARGS.name, **line}).encode() + b"\n")
        os.close(descriptor)


def record_request(request: Request) -> None:
    if ARGS.ledger:
        import hashlib  # noqa: PLC0415 (only with a ledger, and slow to import)

        digest = hashlib.sha256(request.body).hexdigest()
        identity = request.header("x-request-id")
        record(method=request.method, path=request.target, request_id=identity, sha256=digest, length=len(request.body))


def take_lock(path: str) -> None:
    """Hold the lock; the descriptor goes to every child, so the lock is free when the last of them has ended."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if ARGS.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        record(event="violation", pid=os.getpid())


def call_the_roll(directory: str) -> list[str]:
    """Sign in, then say who else is there. Of two that come at once, one at least sees the other."""
    descriptor = os.open(f"{directory}/{ARGS.name}", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    if not can_hold(descriptor):
        record(event="violation", pid=os.getpid())
    return sorted(file.name for file in os.scandir(directory) if file.name != ARGS.name and is_held(file.path))


def can_hold(descriptor: int) -> bool:
    """Take the lock, unless somebody has it for longer than `is_held` needs to look."""
    for _ in range(200):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
        else:
            return True
    return False


def is_held(path: str) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def straggle() -> None:
    """What a forked-off process does: ignore TERM and stay."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if ARGS.clean_env:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(86400)"
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code], {})
    time.sleep(86400)
    os._exit(0)


def fork_stragglers() -> None:
    if ARGS.setsid and os.fork() == 0:
        os.setsid()
        straggle()
    if ARGS.double_fork:
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                straggle()
            os._exit(0)
        os.waitpid(child, 0)


def fork_server() -> None:
    """Leave the serving to a child, where that was asked for."""
    if (ARGS.background or ARGS.wrap) and (child := os.fork()):
        if ARGS.wrap:
            os.waitpid(child, 0)
        os._exit(0)


def handle_signals() -> None:
    if ARGS.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif ARGS.stop_delay or ARGS.stop_while:

        def leave(*_: object) -> None:
            time.sleep(ARGS.stop_delay)
            wait_while(ARGS.stop_while)
            os._exit(0)

        signal.signal(signal.SIGTERM, leave)


def flood() -> None:
    line = b"the quick brown model jumps over the lazy scheduler, again and again and again\n" * 100
    left = ARGS.flood
    while left > 0 or ARGS.flood_forever:
        left -= os.write(1, line if ARGS.flood_forever else line[:left])


def load(listener: socket.socket) -> None:
    """Take the time and the memory that loading takes."""
    flood()
    memory = bytearray(ARGS.hold << 20)
    memory[::4096] = b"x" * len(memory[::4096])
    time.sleep(ARGS.load)
    wait_while(ARGS.load_while)
    os.write(1, b"READY %.6f\n" % time.monotonic())  # before anybody knows, who could end us before it is written
    if ARGS.bind_late:
        listener.listen(512)
    READY.set()
    time.sleep(86400 if ARGS.hold else 0)


def accept_all(listener: socket.socket) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Connection(sock).serve, daemon=True).start()


def after(seconds: float, action: object) -> None:
    def wait() -> None:
        time.sleep(seconds)
        assert callable(action)
        action()

    threading.Thread(target=wait, daemon=True).start()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A model server that misbehaves on request; see the file's head.")
    for flag in ("bind-late", "health-hang", "flood-forever", "ignore-term", "background", "wrap", "double-fork"):
        parser.add_argument(f"--{flag}", action="store_true")
    for flag in ("setsid", "clean-env", "never-answer", "shared"):
        parser.add_argument(f"--{flag}", action="store_true")
    for flag in ("load", "stop-delay", "token-delay", "answer-delay"):
        parser.add_argument(f"--{flag}", type=float, default=0.0)
    parser.add_argument("--exit-after", type=float)
    for flag in ("port", "flood", "hold", "exit-code"):
        parser.add_argument(f"--{flag}", type=int, default=0)
    parser.add_argument("--health-status", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=4)
    parser.add_argument("--crash-at-byte", type=int)
    for flag in ("lock", "ledger", "roll", "pause", "load-while", "stop-while"):
        parser.add_argument(f"--{flag}", default="")
    for flag, text in (("host", "127.0.0.1"), ("name", "fake"), ("health-path", "/health")):
        parser.add_argument(f"--{flag}", default=text)
    return parser.parse_args()


def main() -> None:
    parse = parse_args()
    ARGS.__dict__.update(parse.__dict__)
    if ARGS.lock:
        take_lock(ARGS.lock)
    record(event="start", pid=os.getpid(), **({"beside": call_the_roll(ARGS.roll)} if ARGS.roll else {}))
    fork_stragglers()
    fork_server()
    handle_signals()
    listener = socket.socket(socket.AF_INET6 if ":" in ARGS.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ARGS.host, ARGS.port))
    os.write(1, b"LISTENING %d\n" % listener.getsockname()[1])
    if ARGS.exit_after is not None:
        after(ARGS.exit_after, lambda: os._exit(ARGS.exit_code))
    if ARGS.bind_late:
        load(listener)
    else:
        listener.listen(512)
        threading.Thread(target=load, args=(listener,), daemon=True).start()
    accept_all(listener)


if __name__ == "__main__":
    main()
