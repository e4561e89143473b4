"""Where other programs keep their models when nobody told them otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WellKnown:
    """A place, and whose it is."""

    path: Path
    source: str


def well_known(environ: Mapping[str, str], home: Path) -> list[WellKnown]:
    """Every place worth a look, existing or not, each once; variables that move a store replace its default place."""
    cache = _set(environ, "XDG_CACHE_HOME") or home / ".cache"
    hub = _set(environ, "HF_HUB_CACHE") or _set(environ, "HUGGINGFACE_HUB_CACHE")
    hugging_face = _set(environ, "HF_HOME") or cache / "huggingface"
    places = [
        WellKnown(hub or hugging_face / "hub", "Hugging Face"),
        *(WellKnown(path, "Ollama") for path in _ollama(environ, home)),
        *(WellKnown(path / "models", "LM Studio") for path in (_lm_studio(home), cache / "lm-studio")),
        WellKnown(_set(environ, "LLAMA_CACHE") or cache / "llama.cpp", "llama.cpp"),
        WellKnown(cache / "llamaswap" / "models", "llamaswap"),
        WellKnown(home / "models", "folder"),
    ]
    return list({place.path: place for place in places}.values())


def source_of(path: Path, environ: Mapping[str, str], home: Path) -> tuple[Path, str]:
    """The folder to search for a *path* that somebody names, and whose it is: ``~/.ollama`` means its models."""
    programs = (place for place in well_known(environ, home) if place.source != "folder")
    known = {place.path.resolve(): place.source for place in programs}
    for below in ("", "hub", "models"):
        if source := known.get((path / below).resolve()):
            return path / below, source
    return path, "LM Studio" if path.parts[-2:] == (".lmstudio", "models") else "folder"


def _ollama(environ: Mapping[str, str], home: Path) -> list[Path]:
    if chosen := _set(environ, "OLLAMA_MODELS"):
        return [chosen]
    return [home / ".ollama/models", Path("/usr/share/ollama/.ollama/models"), Path("/var/lib/ollama/.ollama/models")]


def _lm_studio(home: Path) -> Path:
    """Its folder; a file names another one where somebody has moved it."""
    try:
        moved = (home / ".lmstudio-home-pointer").read_text(encoding="utf-8")[:4096].strip()
    except (OSError, UnicodeDecodeError):
        moved = ""
    return Path(moved) if Path(moved).is_absolute() else home / ".lmstudio"


def _set(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name, "")
    return Path(value).expanduser() if value else None
