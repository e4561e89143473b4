"""The shipped configuration asks the embedded server only for what it takes."""

from pathlib import Path

from llamaswap.config.load import load
from llamaswap.embedded.commandline import parse

CONFIG = Path(__file__).parents[2] / "configs" / "embedded.yaml"


def test_every_model_is_one_the_embedded_server_can_run() -> None:
    loaded = load([CONFIG], {}, strict=True)
    assert loaded.warnings == ()
    assert len(loaded.config.models) == 3
    for model in loaded.config.models.values():
        program, settings = model.argv[:3], dict(parse(model.argv[3:]))
        assert program == ("python", "-m", "llamaswap.embedded")
        assert settings["model_alias"] == {model.id}
        assert str(settings["port"]) in model.proxy
