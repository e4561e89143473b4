"""The command line: the reference's flags (one dash or two), our verbs, exit codes, and the only `trio.run`."""

import errno
import gc
import os
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from llamaswap import __version__
from llamaswap.errors import ConfigError
from llamaswap.flags import VERBS, Flags, UsageError, parse_flags

USAGE = """\
Usage: llamaswap [serve] -config FILE [flags]      run the daemon
       llamaswap ps|load|unload|logs|reload [...]  talk to a running one; -h tells more
       llamaswap check FILE                        tell what is wrong with a configuration, and what it means
       llamaswap import [PATH...]                  write a configuration for the models on this machine
       llamaswap replay|simulate [...]             play a journal again, or under other settings

  -config FILE          the configuration
  -config-dir DIR       merge DIR/*.yml and DIR/*.yaml, by name, after -config
  -listen ADDR          HOST:PORT (default 127.0.0.1:8080 and [::1]:8080, with TLS 8443); :PORT is everywhere
  -tls-cert-file FILE   serve TLS; needs -tls-key-file too
  -tls-key-file FILE
  -watch-config         reload when the configuration changes; SIGHUP reloads at any time
  -strict               unknown keys in the configuration are errors
  -check                check the configuration, print what it means, and end; as the verb check
  -version              print the version
"""

#: Why output is refused: a full disk, a broken one, a quota, a limit, nobody who reads.
_WRITING = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EPIPE}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb, or the daemon until it ends. Returns the exit code: 0, 1 (failed), 2 (usage) or 130 (interrupted)."""
    _own_standard_descriptors()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:  # perhaps while something was imported, when nobody else is there to catch it
        return 130
    except OSError as error:
        if error.errno not in _WRITING or not _is_lost(sys.stdout):
            raise
        sys.stderr.write(f"llamaswap: the output cannot be written: {error.strerror}\n")
        return 1
    return code


def _run(words: list[str]) -> int:
    if words and words[0] in VERBS:
        from llamaswap import verbs  # noqa: PLC0415 - the daemon starts without it

        return verbs.main(words)
    try:
        if words[:1] == ["help"]:
            words[0] = "-help"
        return _daemon(parse_flags(words[1:] if words[:1] == ["serve"] else words))
    except UsageError as error:
        sys.stderr.write(f"{USAGE}\nllamaswap: {error}\n")
        return 2
    except ConfigError as error:
        sys.stderr.write(f"llamaswap: {error}\n")
        return 1


def _own_standard_descriptors() -> None:
    """Descriptors 0 to 2 that came closed would else become sockets of ours, and log lines be written into them."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(lowest, True)
    os.close(lowest)
    # Python has no streams for what came closed.
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - open to the end; a descriptor
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - as above


def _is_lost(stream: TextIO) -> bool:
    """Whether nothing can be written to *stream*. If so it is given up, so that nobody tries again."""
    try:
        stream.write("\n")  # what failed need not be in its buffer any more
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return True
    return False


def _daemon(flags: Flags) -> int:
    if flags.ignored:
        words = " ".join(flags.ignored)
        remedy = "a switch takes its value with =, as in -watch-config=false"
        sys.stderr.write(
            f"llamaswap: warning: ignored, because no flag can come after the first of it: {words} ({remedy})\n"
        )
    if flags.help:
        sys.stderr.write(USAGE)
        return 0
    if flags.version:
        sys.stdout.write(f"version: {__version__} (unknown), built at unknown\n")
        return 0
    return _serve(flags)


def _serve(flags: Flags) -> int:
    if not flags.config and not flags.config_dir:
        raise ConfigError(f"which configuration? Give -config FILE or -config-dir DIR\n\n{USAGE.rstrip()}")
    if bool(flags.tls_cert_file) != bool(flags.tls_key_file):
        raise ConfigError("TLS needs both -tls-cert-file and -tls-key-file")
    if flags.check:
        return _check(flags)
    gc.disable()  # until `catch_up`: what a start makes is kept nearly to the last object
    # Mistakes in the flags are told without the time that these imports take.
    from llamaswap.configfiles import ConfigFiles  # noqa: PLC0415 - as above

    config = Path(flags.config) if flags.config else None
    config_dir = Path(flags.config_dir) if flags.config_dir else None
    files = ConfigFiles(config, config_dir, flags.strict)
    watched = files.names if flags.watch_config else None
    in_force = None
    if watched is not None:
        from llamaswap.watch import look  # noqa: PLC0415 - as above

        in_force = look(watched)  # before it is loaded, so that no change falls between the two

    first = files.load()
    tls = _tls(flags)

    import trio  # noqa: PLC0415 - as above

    from llamaswap.control.context import VersionInfo  # noqa: PLC0415 - as above
    from llamaswap.daemon import Daemon, Options  # noqa: PLC0415 - as above
    from llamaswap.garbage import keep_tidy  # noqa: PLC0415 - as above
    from llamaswap.gateway.address import bind  # noqa: PLC0415 - as above
    from llamaswap.runtime_dir import RuntimeDirError, make_runtime_dir  # noqa: PLC0415 - as above
    from llamaswap.startup import catch_up  # noqa: PLC0415 - as above

    try:
        directory = make_runtime_dir()
    except RuntimeDirError as error:
        raise ConfigError(str(error)) from error
    sockets = bind(flags.listen or None, tls=tls is not None)

    async def afterwards() -> None:
        await catch_up()
        await keep_tidy()

    options = Options(sockets, tls, directory, files.read, watched, VersionInfo(__version__), in_force, afterwards)

    async def run() -> None:
        await Daemon(options, first).run()

    trio.run(run)
    return 0


def _check(flags: Flags) -> int:
    from llamaswap import verbs  # noqa: PLC0415 - the daemon starts without it

    named = {"-config": flags.config, "-config-dir": flags.config_dir, "-listen": flags.listen}
    words = [f"{name}={value}" for name, value in named.items() if value]
    return verbs.main(["check", *words, *(["-strict"] if flags.strict else [])])


def _tls(flags: Flags) -> ssl.SSLContext | None:
    if not flags.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(flags.tls_cert_file, flags.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot use the TLS pair {flags.tls_cert_file}, {flags.tls_key_file}: {error}") from error
    return context
