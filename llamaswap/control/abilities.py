"""What a listing says a model can do, in the words that clients look for. Pure."""

from typing import Any

from llamaswap.config.parts import Capabilities

#: The keys of `describe_abilities`, which nobody else may claim in the same record.
ABILITY_KEYS = frozenset(("architecture", "capabilities", "supported_parameters", "context_length"))
#: What takes the one and gives the other, by the name of that.
_CONVERSIONS = (
    ("audio", "text", "audio_transcriptions"),
    ("text", "audio", "audio_speech"),
    ("text", "image", "image_generation"),
    ("image", "image", "image_to_image"),
)


def describe_abilities(can: Capabilities) -> dict[str, Any]:
    """The keys of a model's record that tell what it can do; none if nothing is configured."""
    architecture, flags = _architecture(can), _flags(can)
    return {
        **({"architecture": architecture} if architecture else {}),
        **({"capabilities": dict.fromkeys(flags, True)} if flags else {}),
        **({"supported_parameters": ["tools", "tool_choice"]} if can.tools else {}),
        **({"context_length": can.context} if can.context > 0 else {}),
    }


def n_ctx(can: Capabilities) -> dict[str, int]:
    """The context length as llama.cpp's clients look for it, where it is known."""
    return {"n_ctx": can.context} if can.context > 0 else {}


def _architecture(can: Capabilities) -> dict[str, Any]:
    both = can.inputs and can.outputs
    return {
        **({"input_modalities": list(can.inputs)} if can.inputs else {}),
        **({"output_modalities": list(can.outputs)} if can.outputs else {}),
        **({"modality": f"{'+'.join(can.inputs)}->{'+'.join(can.outputs)}"} if both else {}),
    }


def _flags(can: Capabilities) -> list[str]:
    flags = ["vision"] if "image" in can.inputs else []
    flags += [name for taken, given, name in _CONVERSIONS if taken in can.inputs and given in can.outputs]
    flags += ["function_calling"] if can.tools else []
    flags += ["reranker"] if can.reranker else []
    return flags
