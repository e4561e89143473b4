"""How long it takes to load a configuration: the example, and one of 200 models with macros and a matrix of 20 sets."""

import time

from benchmark.measure import Column, Sample, Table
from benchmark.room import Room
from llamaswap.config.load import load_text
from llamaswap.config.shipped import shipped

MODELS, SETS, IN_A_SET = 200, 20, 10


def loading(room: Room) -> list[Table]:
    """Milliseconds from text to `Config`, and beside it what PyYAML's C parser alone takes for the same text."""
    print("configuration ...", flush=True)
    texts = {"example.yaml": shipped("example.yaml").read_text(), f"{MODELS} models": large()}
    rows: dict[str, list[Sample]] = {}
    for _ in range(3 if room.extent.quick else 15):
        for name, text in texts.items():
            rows.setdefault(f"{name}, parser alone", []).append({"ms": _parsed(text)})
            rows.setdefault(name, []).append({"ms": _loaded(text)})
    remark = f"{MODELS} models with macros, aliases and filters, a matrix of {SETS} sets of {IN_A_SET} models"
    return [Table("config", "loading a configuration", [Column("ms", "ms", 1)], rows, "example.yaml", [remark])]


def large() -> str:
    """The text of the large configuration."""
    models = "".join(
        f"""\
  model-{n:03d}:
    cmd: |
      ${{common}} --model ${{dir}}/${{MODEL_ID}}.gguf
      # a comment
      --ctx-size ${{ctx}} --alias ${{MODEL_ID}}
    aliases: [m{n}, alias-{n}]
    ttl: {300 + n}
    macros: {{ctx: {1024 * (n % 8 + 1)}}}
    metadata: {{size: {n}, tags: [a, b]}}
    filters: {{stripParams: "temperature, top_k", setParams: {{x: {n}}}}}
"""
        for n in range(MODELS)
    )
    return f"""\
macros:
  bin: llama-server
  common: ${{bin}} --host 127.0.0.1 --port ${{PORT}} --n-gpu-layers 99
  ctx: 8192
  dir: /models
models:
{models}matrix:
  sets:
{"".join(_set(n) for n in range(SETS))}"""


def _set(number: int) -> str:
    names = [f"model-{(number * IN_A_SET + n) % MODELS:03d}" for n in range(IN_A_SET)]
    half = IN_A_SET // 2
    reference = f" | +set{number - 1}" if number % 3 == 2 else ""
    return f"    set{number}: ({' | '.join(names[:half])}) & ({' | '.join(names[half:])}){reference}\n"


def _loaded(text: str) -> float:
    began = time.perf_counter()
    load_text(text, "config.yaml", {})
    return 1000 * (time.perf_counter() - began)


def _parsed(text: str) -> float:
    import yaml  # noqa: PLC0415 - for the comparison alone

    began = time.perf_counter()
    for _ in yaml.parse(text, Loader=yaml.CSafeLoader):
        pass
    return 1000 * (time.perf_counter() - began)
