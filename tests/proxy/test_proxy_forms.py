"""Forms: which model they name, within which limits, and that a rewrite touches one value."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from llamaswap.proxy import forms, resolve
from llamaswap.proxy.request import Request

TYPE = b"multipart/form-data; boundary=xyz"


def part(name: str, value: bytes, *, filename: str | None = None, boundary: bytes = b"xyz") -> bytes:
    file = f'; filename="{filename}"\r\nContent-Type: audio/wav' if filename is not None else ""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (
        boundary,
        name.encode(),
        file.encode(),
        value,
    )


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


def request(content_type: bytes, query: bytes = b"", method: bytes = b"POST") -> Request:
    made = Request()
    made.method, made.query, made.known = method, query, {b"content-type": content_type}
    return made


def named(body: bytes, content_type: bytes = TYPE, query: bytes = b"") -> tuple[str, bool]:
    return tuple(resolve.named(request(content_type, query), body))  # type: ignore[return-value]  # a NamedTuple is one


AUDIO = part("file", b"RIFF\r\n--xy\r\n\0\xff" * 100, filename="a.wav")


def test_a_multipart_field_names_the_model_wherever_it_stands() -> None:
    assert named(form(AUDIO, part("model", b"whisper"), part("stream", b"true"))) == ("whisper", True)
    assert named(form(part("model", b"whisper"), AUDIO)) == ("whisper", False)
    assert named(b"preamble\r\n" + form(part("model", "größe".encode()))) == ("größe", False)


def test_of_two_fields_the_first_counts_and_a_file_is_none() -> None:
    assert named(form(part("model", b"a"), part("model", b"b"))) == ("a", False)
    assert named(form(part("model", b"file", filename="x"), part("model", b"b"))) == ("b", False)


def test_the_query_goes_before_a_multipart_field_and_after_an_urlencoded_one() -> None:
    assert named(form(part("model", b"a"), part("stream", b"1")), query=b"model=q&stream=true") == ("q", True)
    assert named(b"model=f&stream=true", forms.URLENCODED, b"model=q&stream=false") == ("f", True)
    assert named(b"x=y", forms.URLENCODED, b"model=q") == ("q", False)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"model=a", "a"),
        (b"x=1&model=org%2Fa+b%C3%A9&model=z", "org/a bé"),
        (b"mymodel=x&model=y", "y"),
        (b"mymodel=x", ""),
        (b"model", ""),
        (b"model=&x", ""),
        (b"", ""),
        (b"x=model=a&model=b", "b"),
        (b"model=%ff", "\ufffd"),
    ],
)
def test_pairs(data: bytes, value: str) -> None:
    assert forms.pair_value(data, b"model") == value


def test_other_types_are_not_read() -> None:
    assert named(form(part("model", b"a")), b"application/octet-stream", b"model=q") == ("q", False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz",
        b"--xyz\r\n",
        form(part("model", b"a"))[:-6],
        part("model", b"a"),
        b'--xyz\r\nContent-Disposition: form-data; name="model"\r\nno end',
        b"--xyzz\r\n\r\n--xyz--\r\n",
        form(part("x", b"y") * (forms.MAX_PARTS + 1), part("model", b"a")),
    ],
    ids=range(8),
)
def test_broken_forms_name_nothing(body: bytes) -> None:
    assert named(body) == ("", False)


@pytest.mark.parametrize("content_type", [b"multipart/form-data", b"multipart/form-data; boundary=", TYPE + b"z" * 300])
def test_a_form_needs_a_boundary(content_type: bytes) -> None:
    assert named(form(part("model", b"a")), content_type) == ("", False)


def test_limits() -> None:
    assert named(b"model=a&x=" + b"y" * forms.MAX_URLENCODED_BYTES, forms.URLENCODED) == ("", False)
    assert named(form(part("model", b"a"), part("x", b"y" * forms.MAX_FIELD_BYTES))) == ("", False)
    assert named(form(part("model", b"a"), part("x", b"y" * forms.MAX_FIELD_BYTES, filename="f"))) == ("a", False)
    assert named(form(part("x", b"y") * (forms.MAX_PARTS - 1), part("model", b"a"))) == ("a", False)


def test_a_rewrite_touches_the_value_only() -> None:
    body = form(AUDIO, part("model", b"alias"), part("model", b"second"))
    assert resolve.renamed(request(TYPE), body, "real") == body.replace(b"alias", b"real")
    assert resolve.renamed(request(TYPE), form(AUDIO), "real") == form(AUDIO)
    assert resolve.renamed(request(forms.URLENCODED), b"model=a", "real") == b"model=a"


@pytest.mark.parametrize("filler", [b"&", b"model", b"&model", b"m", b"&xmodel=", b"model=&"])
def test_no_form_stalls_us(filler: bytes) -> None:
    body = (filler * forms.MAX_URLENCODED_BYTES)[: forms.MAX_URLENCODED_BYTES]
    _quick(lambda: named(body, forms.URLENCODED))


@pytest.mark.parametrize("filler", [b"\r\n--xy", b"\r\n", b"\r", b"--xyz", b"\r\n--xyz-"])
def test_no_multipart_form_stalls_us(filler: bytes) -> None:
    body = form(part("file", filler * (20_000_000 // len(filler)), filename="f"), part("model", b"a"))
    _quick(lambda: named(body))


def _quick(call: object) -> None:
    """Processor time, since the machine is shared. Far above what it takes, far below what quadratic work would."""
    before = time.thread_time()
    call()  # type: ignore[operator]  # a lambda
    assert time.thread_time() - before < 1.0


@given(
    st.lists(
        st.tuples(st.sampled_from(["model", "stream", "x", "é"]), st.binary(max_size=40), st.booleans()), max_size=6
    ),
    st.text(max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_we_read_and_write_what_werkzeug_reads(fields: list[tuple[str, bytes, bool]], model: str) -> None:
    fields = [(name, value, file) for name, value, file in fields if b"--xyz" not in value]
    body = form(*(part(name, value, filename="f" if file else None) for name, value, file in fields))
    plain = [(name, value) for name, value, file in fields if not file]
    first = next((value for name, value in plain if name == "model"), b"")
    assert named(body)[0] == first.decode("utf-8", "replace")
    changed = bytes(forms.replace_field(body, TYPE, "model", model.encode()))
    read = _werkzeug(changed)
    wanted = [(name, value.decode("utf-8", "replace")) for name, value in plain]
    for place, (name, _) in enumerate(wanted):
        if name == "model":
            wanted[place] = name, model
            break
    assert read == sorted(wanted)


def _werkzeug(body: bytes) -> list[tuple[str, str]]:
    """The fields that an independent decoder reads."""
    decoder = MultipartDecoder(b"xyz")
    decoder.receive_data(body)
    decoder.receive_data(None)
    fields: list[tuple[str, str]] = []
    name = None
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, Field | File):
            name = event.name if isinstance(event, Field) else None
        elif isinstance(event, Data) and name is not None:
            fields.append((name, event.data.decode("utf-8", "replace")))
    return sorted(fields)
