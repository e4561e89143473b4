"""Which directories decide what a path names."""

from pathlib import Path

import pytest

from llamaswap.hints import _directories


def make(root: Path) -> None:
    (root / "etc" / "conf.d").mkdir(parents=True)
    (root / "etc" / "config.yaml").touch()
    (root / "data" / "1").mkdir(parents=True)
    (root / "data" / "1" / "config.yaml").touch()
    (root / "etc" / "relative.yaml").symlink_to("../data/1/config.yaml")
    (root / "etc" / "absolute.yaml").symlink_to(root / "data" / "1" / "config.yaml")
    (root / "etc" / "current").symlink_to("../data/1")
    (root / "etc" / "chain.yaml").symlink_to("current/config.yaml")
    (root / "etc" / "dangling.yaml").symlink_to("../data/2/config.yaml")
    (root / "etc" / "loop.yaml").symlink_to("loop.yaml")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc/config.yaml", {"etc"}),
        ("etc/../etc/config.yaml", {"etc"}),
        ("etc/missing.yaml", {"etc"}),
        ("etc/conf.d", {"etc/conf.d"}),
        ("etc/gone.d/a.yaml", {"etc"}),
        ("etc/config.yaml/below/a/file", {"etc"}),
        ("etc/relative.yaml", {"etc", "data/1"}),
        ("etc/absolute.yaml", {"etc", "data/1"}),
        ("etc/current/config.yaml", {"etc", "data/1"}),
        ("etc/current/../1/config.yaml", {"etc", "data/1"}),
        ("etc/chain.yaml", {"etc", "data/1"}),
        ("etc/dangling.yaml", {"etc", "data"}),
        ("etc/loop.yaml", {"etc"}),
    ],
)
def test_the_directories_of_a_path(path: str, expected: set[str], tmp_path: Path) -> None:
    root = tmp_path.resolve()
    make(root)
    assert set(_directories(root / path)) == {root / name for name in expected}


def test_a_relative_path_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path())
    assert set(_directories(Path("etc/config.yaml"))) == {tmp_path.resolve() / "etc"}
