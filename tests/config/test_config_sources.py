"""Files that are missing, unreadable, hostile, or no files at all; and the whole of a load from disk."""

import os
import time
from pathlib import Path

import pytest
import yaml

import llamaswap.config.text.yaml
from llamaswap.config.load import load, load_text, sources
from llamaswap.errors import ConfigError


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load([path], {})
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    message = refused(tmp_path / "no.yaml")
    assert f"{tmp_path}/no.yaml: no such file or directory" in message
    assert "check the path" in message


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    assert "is a directory" in refused(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("")
    (tmp_path / "c.yaml").chmod(0)
    assert "permission denied" in refused(tmp_path / "c.yaml")


def test_a_file_in_another_encoding_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"a: 1\nb: \xfcber\n")
    message = refused(tmp_path / "c.yaml")
    assert "c.yaml:2:4: the file is not UTF-8 (0xfc)" in message
    assert "save the file as UTF-8" in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_editors_write(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "c.yaml").write_text("apiKeys: [ä]\r\nstallTimeout: 7\r\n", encoding=encoding)
    config = load([tmp_path / "c.yaml"], {}).config
    assert (config.api_keys, config.stall_timeout) == (("ä",), 7.0)


def test_a_pipe_that_nobody_writes_to_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.yaml")
    assert load([tmp_path / "c.yaml"], {}).config.models == {}


def test_a_device_without_end_is_refused() -> None:
    assert "larger than 16 MiB" in refused(Path("/dev/zero"))


def test_no_source_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration is given"):
        load([], {})
    with pytest.raises(ConfigError, match="no configuration is given"):
        sources(None, None)
    with pytest.raises(ConfigError, match="no such file or directory"):
        sources(None, tmp_path / "missing")


def test_the_file_comes_first_and_the_directory_in_byte_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "Z.yaml", ".h.yaml", "c.YAML", "d.txt", "._b.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / ".#b.yaml").symlink_to("me@host.1234:5678")  # a lock of Emacs
    found = sources(Path("/elsewhere/c.yaml"), tmp_path)
    assert [path.name for path in found] == ["c.yaml", ".h.yaml", "Z.yaml", "a.yml", "b.yaml"]


def test_every_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1")
    (tmp_path / "b.yaml").write_text("b: {c: 1")
    with pytest.raises(ConfigError, match=r"(?s)c\.yaml.*a\.yaml:1:4.*b\.yaml:1:4"):
        load([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"], {})


def _laughs(depth: int) -> str:
    lines = ["a0: &a0 [" + ", ".join(["x"] * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, depth)]
    return "\n".join(lines)


HOSTILE = {
    "deep lists": "[" * 100_000,
    "deep maps": "a: {" * 100_000,
    "deep blocks": "\n".join(" " * n + "a:" for n in range(2000)),
    "deep dashes": "- " * 100_000,
    "alias bomb": _laughs(30),
    "merge bomb": "a0: &a0 {k0: 1}\n"
    + "\n".join(f"a{n}: &a{n} {{k{n}: 1, <<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 60)),
    "alias chain": "a0: &a0 {k: 1}\n" + "\n".join(f"a{n}: &a{n} {{k: *a{n - 1}}}" for n in range(1, 200)),
    "merge chain": "a0: &a0 {k: 1}\n" + "\n".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}" for n in range(1, 200)),
    "macro bomb": "macros:\n  m0: xxxxxxxxxx\n"
    + "\n".join(f"  m{n}: '{f'${{m{n - 1}}}' * 10}'" for n in range(1, 30))
    + "\nlogTimeFormat: '${m29}'\n",
    "many models of one macro": f"macros: {{m: '{'x' * 900_000}'}}\nmodels:\n"
    + "\n".join(f"  m{n}: {{cmd: '${{m}}', proxy: http://h}}" for n in range(500)),
    "many values": "x-a: [" + "1," * 1_000_000 + "]",
    "many wrong keys": "\n".join(f"key{n}: 1" for n in range(20_000)) + "\nstartPort: x",
    "long key": "k" * 1_000_000 + ": 1\nstartPort: x",
    "long line": "a: '" + "x" * 1_000_000,
    "many variables": "a: [" + ",".join(f"${{env.A{n}}}" for n in range(20_000)) + "]",
    "many digits": "startPort: " + "9" * 1_000_000,
    "NUL": "a: \0",
    "lone surrogate": "a: \ud800",
}  # fmt: skip


#: Part of what is said of each; where there is none, several problems are found.
REASONS = {
    **dict.fromkeys(
        ["deep lists", "deep maps", "deep blocks", "deep dashes", "alias chain", "merge chain"], "levels deep"
    ),
    **dict.fromkeys(["alias bomb", "merge bomb", "many values"], "more than 100000 values"),
    **dict.fromkeys(["macro bomb", "many models of one macro"], "macros make this text too long"),
    "NUL": "U.0000",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_in_bounded_time(name: str) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError, match=REASONS.get(name)) as caught:
        load_text(HOSTILE[name], "c.yaml", {})
    assert time.monotonic() - started < 20  # generous: the machine may be busy; the point is that it ends
    assert len(str(caught.value)) < 200_000


def test_the_pure_parser_serves_where_libyaml_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamaswap.config.text.yaml, "_LOADER", yaml.SafeLoader)
    assert load_text("stallTimeout: 7", "c.yaml", {}).config.stall_timeout == 7.0
    for text, what in [
        ("a:\n\t- b", "a tab"),
        ('a: "x', "never closed"),
        ("a: \x01", "U.0001"),
        ("a: [1", "the bracket"),
    ]:
        with pytest.raises(ConfigError, match=what):
            load_text(text, "c.yaml", {})
