"""Entries -> the text of a configuration. Pure.

Two grammars have to be got past: the one that splits commands into words, and YAML's. And in neither may a name look
like a reference to a macro: there is no way to write a plain ``${``, so it is taken apart by quotes.
"""

import re
from collections.abc import Sequence

from llamaswap.importing.entries import Entry

_SAFE_WORD = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_TAKEN_APART = re.compile(r"[${%]")
#: Several words that are a text to every reader of YAML without quotes.
_PLAIN = re.compile(r"[A-Za-z/][\w./@+-]*( [\w./${}@+-]+)+", re.ASCII)
#: Characters that YAML does not take as they are, those that end lines for it, and the ones that turn text around.
_UNPRINTABLE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028-\u202e\u2066-\u2069]"
)

_HEAD = """\
# What `llamaswap import` found. It is yours now: change what you like; import leaves a file alone that is there.
#
# Context (--ctx-size): {context}
# Memory for it grows with every token. What a model was trained on is in its metadata.

# Seconds a model may take from its start until it answers; large ones on slow disks take minutes.
healthCheckTimeout: 300

# Seconds without a request after which a model is stopped and its memory is free again; 0: never.
globalTTL: 0

macros:
  # The server and what all models have in common. ${{PORT}} becomes a free port, ${{MODEL_ID}} the model's name below.
  {name}: {server}
"""


def document(entries: Sequence[Entry], server: Sequence[str], most_context: int) -> str:
    """The whole file: *server* are the first words of every command, *most_context* what `entries` was given."""
    macro = macro_name(server)
    common = f"{' '.join(map(word, server))} --host 127.0.0.1 --port ${{PORT}} --alias ${{MODEL_ID}}"
    cap = f"what the model was trained on, at most {most_context}" if most_context else "what the model was trained on"
    parts = [_HEAD.format(context=f"{cap}, unless it was configured before.", name=macro, server=scalar(common))]
    if preload := [entry.id for entry in entries if entry.candidate.preload]:
        parts.append(f"hooks:\n  on_startup:\n    preload: [{', '.join(map(quoted, preload))}]\n")
    parts.append("models:\n" + "\n".join(_entry(entry, macro) for entry in entries))
    return "\n".join(parts)


def macro_name(server: Sequence[str]) -> str:
    """What the server's macro is called."""
    return "embedded" if "llamaswap.embedded" in server else "llama-server"


def word(text: str) -> str:
    """*text* as one word of a command, whatever is in it.

    A line break stands between quotes of its own, since the splitter looks at the ends of lines before it looks at
    quotes; and quotes behind them keep dollars, braces and per cents from looking like references, good or bad ones.
    """
    if _SAFE_WORD.fullmatch(text):
        return text
    return "'" + _TAKEN_APART.sub(r"\g<0>''", text.replace("'", "'\"'\"'")).replace("\n", "''\n''") + "'"


def quoted(text: str) -> str:
    """*text* as a scalar in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + _UNPRINTABLE.sub(lambda found: f"\\U{ord(found[0]):08X}", escaped) + '"'


def scalar(text: str) -> str:
    """*text* as it is where that is safe, else in quotes."""
    return text if _PLAIN.fullmatch(text) else quoted(text)


def told(text: str) -> str:
    """*text* for people: one line, and nothing in it that is a reference or drives a terminal."""
    return " ".join(_UNPRINTABLE.sub("?", text).split()).replace("${", "$ {")


def _entry(entry: Entry, macro: str) -> str:
    candidate = entry.candidate
    lines = [f"  {quoted(entry.id)}:"]
    if title := told(candidate.title):
        lines.append(f"    name: {quoted(title)}")
    lines.append(f"    cmd: {_command(entry, macro)}")
    if entry.aliases:
        lines.append(f"    aliases: [{', '.join(map(quoted, entry.aliases))}]")
    if candidate.stop_timeout_s:
        lines.append(f"    unloadTimeout: {candidate.stop_timeout_s}")
    lines.append("    metadata:")
    for key, value in entry.metadata.items():
        lines.append(f"      {key}: {value if isinstance(value, int) else quoted(told(value))}")
    return "\n".join(lines) + "\n"


def _command(entry: Entry, macro: str) -> str:
    lines = [f"${{{macro}}}", *(" ".join(map(word, line)) for line in entry.lines)]
    text = "\n".join(lines)
    if _UNPRINTABLE.search(text) or text.count("\n") >= len(lines):
        return quoted(text)
    return "|\n" + "\n".join(f"      {line}" for line in lines)
