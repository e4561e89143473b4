"""A life that is over for those who wait, while the last of its processes is still being ended."""

from llamaswap.config.schema import ModelId
from llamaswap.schedule.events import Dying, Life
from tests.schedule.story import Story, grant, start, start_failed, unloaded


def dying(model: str, life: int, detail: str = "") -> Dying:
    return Dying(ModelId(model), Life(life), detail)


def test_requests_wait_for_the_next_life_of_a_dying_model() -> None:
    """Granting them would only bring them a refused connection."""
    story = Story("a:ready")
    assert story.tell(dying("a", 1)) == []
    assert story.states == ["a:stopping"]
    assert story.arrives(1, "a") == []
    assert story.exits("a", 1) == [start("a", 2)]
    assert story.started("a", 2) == [grant(1, "a", 2)]


def test_the_caller_of_a_dying_load_is_told_at_once() -> None:
    """And only once: the end of the tree, some seconds later, fails nobody else."""
    story = Story()
    story.arrives(1, "a")
    story.arrives(2, "a")
    assert story.tell(dying("a", 1, "no such GPU")) == [start_failed(1, "no such GPU")]
    assert story.start_fails("a", 1, "no such GPU") == [start("a", 2)]


def test_a_served_request_keeps_its_place_until_it_leaves() -> None:
    story = Story("a:ready")
    assert story.arrives(1, "a") == [grant(1, "a", 1)]
    story.arrives(2, "b")
    assert story.tell(dying("a", 1)) == []
    assert story.exits("a", 1) == []
    assert story.leaves(1) == [start("b", 2)]


def test_late_news_of_dying_changes_nothing() -> None:
    story = Story("a:ready")
    story.unload(1, ["a"])
    assert story.tell(dying("a", 1)) == []
    assert story.exits("a", 1) == [unloaded(1)]
    assert story.tell(dying("a", 1)) == []
    assert story.is_quiet()
