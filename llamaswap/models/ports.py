"""Who listens on a TCP port of this machine, as far as the kernel tells."""

import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from llamaswap.models.proctable import process_table

LISTEN = 10
SOCK_DIAG = 4  # NETLINK_SOCK_DIAG, which the socket module does not name
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
HEADER = struct.Struct("=IHHII")
#: inet_diag_req_v2: family, protocol, wanted states, port; the rest says "any".
QUESTION = struct.Struct("=BBBxI2s46x")
#: Offset of the inode in an answer, header included.
INODE_AT = HEADER.size + 68


def listening_inodes(port: int) -> set[str]:
    """The sockets that listen on *port* at any address; empty where the system does not tell.

    Asks the kernel for just these (0.2 ms): reading /proc/net/tcp walks the table of all connections, which takes
    4 ms on an idle machine, and this is part of each start.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
            kernel.settimeout(1.0)
            return {inode for family in (socket.AF_INET, socket.AF_INET6) for inode in _ask(kernel, family, port)}
    except (OSError, AttributeError):
        return set(_read_table(port))


def owner_among(inodes: set[str], pids: Iterable[int]) -> int | None:
    """The first of *pids* that holds one of these sockets; None too when their descriptors are not ours to read."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in pids:
        directory = f"/proc/{pid}/fd"
        with suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208 (hundreds of descriptors, and the start waits)
                with suppress(OSError):
                    if os.readlink(f"{directory}/{name}") in wanted:  # noqa: PTH115 (as above)
                        return pid
    return None


def describe_listener(port: int) -> str | None:
    """Who listens on *port*, as ``PID (NAME)``; None when nobody does. May look into every process."""
    inodes = listening_inodes(port)
    if not inodes:
        return None
    pid = owner_among(inodes, process_table())
    if pid is None:
        return "a process of another user"
    name = "?"
    with suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    return f"{pid} ({name})"


def _ask(kernel: socket.socket, family: int, port: int) -> Iterator[str]:
    question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, 1 << LISTEN, port.to_bytes(2, "big"))
    kernel.send(HEADER.pack(HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + question)
    while True:
        answer = kernel.recv(65536)
        while answer:
            length, kind, *_ = HEADER.unpack_from(answer)
            if kind != SOCK_DIAG_BY_FAMILY:  # done, or an error
                return
            yield str(int.from_bytes(answer[INODE_AT : INODE_AT + 4], sys.byteorder))
            answer = answer[(length + 3) & ~3 :]


def _read_table(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                fields = line.split(maxsplit=10)
                if int(fields[3], 16) == LISTEN and fields[1].endswith(f":{port:04X}"):
                    yield fields[9]
