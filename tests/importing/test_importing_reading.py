"""Headers: the same values as the package's own reader gives, and no file that costs more than a moment."""

import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from gguf import GGUFReader

from llamaswap.importing.found import Header, UnusableError
from llamaswap.importing.reading import read_header
from tests.importing.stores import write_model


def test_it_says_what_the_packages_own_reader_says(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "x.gguf",
        "qwen2",
        general__name="Qwen2  Tiny\n",
        general__type="model",
        general__file_type=15,
        general__size_label="7B",
        ARCH__context_length=32768,
        ARCH__pooling_type=3,
    )
    own = GGUFReader(path)
    assert read_header(path) == Header(
        architecture=own.fields["general.architecture"].contents(),
        type="model",
        name="Qwen2 Tiny",
        quantisation="Q4_K_M",
        size_label="7B",
        context=own.fields["qwen2.context_length"].contents(),
        pooling=own.fields["qwen2.pooling_type"].contents(),
        parameters=sum(int(tensor.n_elements) for tensor in own.tensors),
        tensors=len(own.tensors),
        ends_at=max(tensor.data_offset + tensor.n_bytes for tensor in own.tensors),
    )


def test_a_large_vocabulary_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf", words=150_000, general__file_type=7)
    read_header(path)  # imports
    tracemalloc.start()
    began = time.process_time()
    assert read_header(path).quantisation == "Q8_0"
    took_s, (_, most) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took_s < 3  # traced, on a busy machine; 0.05 s otherwise, and 5.6 s with the package's own reader
    assert most < 1 << 20


def test_every_cut_of_a_file_is_told(tmp_path: Path) -> None:
    whole = write_model(tmp_path / "x.gguf", general__name="x", ARCH__context_length=5).read_bytes()
    cut = tmp_path / "cut.gguf"
    header = read_header(tmp_path / "x.gguf")
    assert header.ends_at <= len(whole)
    for length in range(header.ends_at):
        cut.write_bytes(whole[:length])
        try:
            assert read_header(cut).ends_at > length
        except UnusableError as problem:
            assert str(problem)


def test_random_damage_is_told_or_harmless(tmp_path: Path) -> None:
    whole = write_model(tmp_path / "x.gguf", general__name="x", ARCH__context_length=5).read_bytes()
    broken, rng = tmp_path / "broken.gguf", random.Random(1)
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(4, len(data))] = rng.choice((0, 1, 8, 9, 0x7F, 0xFF, rng.randrange(256)))
        broken.write_bytes(data)
        try:
            read_header(broken)
        except UnusableError as problem:
            assert str(problem)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def head(values: int, tensors: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, values)


HOSTILE = {
    "values without end": head(1 << 60),
    "tensors without end": head(0, 1 << 60),
    "key without end": head(1) + struct.pack("<Q", 1 << 62) + b"x" * 1000,
    "text without end": head(1) + text("k") + struct.pack("<IQ", 8, 1 << 62) + b"x" * 1000,
    "list without end": head(1) + text("k") + struct.pack("<IIQ", 9, 0, 1 << 60) + b"x" * 1000,
    "list of texts without end": head(1) + text("k") + struct.pack("<IIQ", 9, 8, 1 << 60) + b"\0" * 1000,
    "list of lists": head(1) + text("k") + struct.pack("<IIQ", 9, 9, 1 << 20) + b"\0" * 1000,
    "value of no kind": head(1) + text("k") + struct.pack("<I", 99) + b"\0" * 1000,
    "equal keys": head(2) + 2 * (text("k") + struct.pack("<IB", 0, 1)) + b"\0" * 100,
    "key of no text": head(1) + struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<IB", 0, 1) + b"\0" * 100,
    "dimensions without end": head(0, 1) + text("t") + struct.pack("<I", 1 << 31) + b"\1" * 1000,
    "version 1": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "only the magic": b"GGUF",
    "empty": b"",
    "zeros": b"\0" * 4096,
    "a web page": b"<!DOCTYPE html>" * 10,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_a_moment(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(HOSTILE[name])
    began = time.process_time()
    with pytest.raises(UnusableError):
        read_header(path)
    assert time.process_time() - began < 3


def test_a_long_list_in_a_large_file_is_not_walked(tmp_path: Path) -> None:
    """A sparse file of 64 GB of zeros, read as texts of length zero."""
    path = tmp_path / "x.gguf"
    with path.open("wb") as file:
        file.write(head(1) + text("k") + struct.pack("<IIQ", 9, 8, 1 << 32))
        file.truncate(64 << 30)
    with pytest.raises(UnusableError, match="list without end"):
        read_header(path)
