"""Promise 2: one outcome for each request, the right model, nothing altered. The long form is scripts/rigs/chaos."""

import dataclasses
from pathlib import Path

import pytest

from tests.e2e.chaos import Round, audit, models, run
from tests.e2e.running import Daemon

pytestmark = pytest.mark.e2e


def test_nothing_is_lost_doubled_misrouted_or_altered(tmp_path: Path) -> None:
    ends = run(2, seed=2, directory=tmp_path, seconds=3, answers=6)
    assert ends["whole"] > 10
    assert ends["left"] > 0


def test_the_audit_sees_each_breach(tmp_path: Path) -> None:
    with Daemon(tmp_path, {"models": models()}) as running:
        calm = Round(running, "calm", seconds=2)
        calm.play(answers=1)
        audit(running, calm.sent)
        whole = next(each for each in calm.sent if each.outcome == "whole")
        others = [each for each in calm.sent if each is not whole]
        for change, breach in (
            ({"identity": "unknown"}, "nobody sent"),
            ({"model": "another"}, "misrouted"),
            ({"digest": "0"}, "altered"),
        ):
            with pytest.raises(AssertionError, match=breach):
                audit(running, [*others, dataclasses.replace(whole, **change)])
        lost = dataclasses.replace(whole, identity="lost")
        with pytest.raises(AssertionError, match="answered by nobody"):
            audit(running, [*calm.sent, lost])
        text = running.ledger.read_text()
        line = next(line for line in text.splitlines() if whole.identity in line)
        running.ledger.write_text(f"{text}{line}\n")
        with pytest.raises(AssertionError, match="delivered twice"):
            audit(running, calm.sent)
