"""What a model is for, by its header and, where that is silent, by its name. Pure."""

import re

from llamaswap.importing.found import Header, Kind, UnusableError

#: Architectures that only make vectors.
_ENCODERS = re.compile(r".*bert.*|gemma-embedding|llama-embed|t5encoder")
#: Models of pictures and sound that are kept in GGUF files too, and that llama-server cannot serve.
_OTHERS = re.compile(
    r"aura|cosmos|flux|hidream|hyvid|ltxv|lumina2?|pig|qwen_image|sd1|sd3|sdxl|wan|whisper|wavtokenizer-dec"
)
_NAMED_RERANKER = re.compile(r"re-?rank", re.IGNORECASE)
_NAMED_EMBEDDING = re.compile(r"embed(?!ded)|(^|[-_/ ])(bge|e5|gte|minilm)[-_]", re.IGNORECASE)
_PROJECTOR = re.compile(r"mmproj", re.IGNORECASE)

#: llama.cpp's numbers for ways to make one vector out of many, as --pooling calls them.
_POOLINGS = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
_RANK = 4

#: A name's part that says how the weights are stored.
QUANTISATION = re.compile(
    r"(?:^|[-_.])((?:UD-)?I?Q\d(?:_\d|_[A-Z]+)*|T?Q[12]_0|BF16|F16|F32|FP16|FP32|MXFP4(?:_MOE)?|NVFP4)(?=$|[-_.])",
    re.IGNORECASE,
)


def is_projector(header: Header, name: str) -> bool:
    """Whether it is not a model but eyes or ears for one. *name* is its file's."""
    return header.architecture == "clip" or header.type == "mmproj" or _PROJECTOR.match(name) is not None


def kind_of(header: Header, name: str, *, split: bool = False) -> Kind:
    """What the model is for. *name* is whatever else it is called; a *split* model's first part may hold no tensors.

    Raises:
        UnusableError: llama-server does not serve it.
    """
    if not header.architecture:
        raise UnusableError("does not name its architecture")
    if header.type not in ("", "model"):
        raise UnusableError(f"is no model of its own ({header.type})")
    if _OTHERS.fullmatch(header.architecture):
        raise UnusableError(f"is no language model ({header.architecture})")
    if not header.tensors and not split:
        raise UnusableError("holds a vocabulary and no model")
    words = f"{name} {header.name}"
    if header.pooling == _RANK or header.has_labels or _NAMED_RERANKER.search(words):
        return "reranker"
    if header.pooling or _ENCODERS.fullmatch(header.architecture) or _NAMED_EMBEDDING.search(words):
        return "embedding"
    return "chat"


def pooling_of(header: Header) -> str:
    """The --pooling of an embedding model: its own, or what its architecture was made for."""
    if header.pooling:
        return _POOLINGS.get(header.pooling, "mean")
    return "mean" if _ENCODERS.fullmatch(header.architecture) else "last"


def quantisation_of(header: Header, name: str) -> str:
    """How the weights are stored. A file's *name* may know more than its header (``UD-Q4_K_XL``)."""
    named = QUANTISATION.findall(name)
    return named[-1].upper() if named else header.quantisation


def parameters_of(header: Header) -> str:
    """How large it is, as people say it: ``7B``, ``135M``; empty if that is unknown."""
    if header.size_label:
        return header.size_label
    count = header.parameters
    if count < 1_000_000:
        return ""
    return (
        f"{count / 1e9:.2g}B"
        if 1e9 <= count < 1e10
        else f"{count / (1e9 if count >= 1e9 else 1e6):.0f}" + ("B" if count >= 1e9 else "M")
    )
