"""Requests can be sent, whatever is drawn for them; what can not be sent is refused with a line."""

from __future__ import annotations

import json
from pathlib import Path

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.errors import UsageError
from leakscope.load.placeholders import Turn
from leakscope.load.requests import Request, parse_origin, request_template
from leakscope.load.requests_file import BadRequestsFile, read_requests

BASE = "http://127.0.0.1:8080"


def sent(url: str, **more: object) -> Request:
    template = request_template("GET", url, base=BASE, **more)  # type: ignore[arg-type]
    return template.request(Turn(n=5, round=2, seed=0))


def from_lines(folder: Path, *lines: str) -> tuple[Request, ...]:
    file = folder / "requests.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return tuple(t.request(Turn(5, 2, 0)) for t in read_requests(file, base=BASE))


def test_a_path_is_asked_of_the_server_under_check() -> None:
    request = sent("/items/{n}?page={round}#top")

    assert (request.origin, request.target) == (parse_origin(BASE), "/items/5?page=2")
    assert ("Host", "127.0.0.1:8080") in request.headers


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://a.example", "a.example", "/"),
        ("http://a.example:80/x", "a.example", "/x"),
        ("https://a.example:8443?q", "a.example:8443", "/?q"),
        ("http://[::1]:9/", "[::1]:9", "/"),
        ("http://bücher.example/ä b", "xn--bcher-kva.example", "/%C3%A4%20b"),
        ("http://a/{choice:x y#|x y#}", "a", "/x%20y#"),
    ],
)
def test_urls_are_completed_and_quoted(url: str, authority: str, target: str) -> None:
    request = sent(url)

    assert (dict(request.headers)["Host"], request.target) == (authority, target)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080/",
        "ftp://a/",
        "http://",
        "http:///x",
        "http://a:99999/",
        "http://a:b/",
        "http://{n}.example/",
        "http://user:secret@a/",
        "http://a b/",
        "http://[::1/",
        "",
        "/{what}",
    ],
)
def test_urls_that_make_no_sense_are_refused_and_show_no_password(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        sent(url)

    assert "secret" not in str(refused.value)
    assert refused.value.remedy


def test_a_path_needs_a_server() -> None:
    with pytest.raises(UsageError):
        request_template("GET", "/", base=None)


def test_headers_of_the_user_replace_the_usual_ones() -> None:
    request = sent("/", headers=[("host", "other"), ("X-Id", "{n}")])

    assert [value for name, value in request.headers if name.lower() == "host"] == ["other"]
    assert ("X-Id", "5") in request.headers


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("X Y", "a"),
        ("X", "a\r\nB: c"),
        ("X", "{choice:a|\x00}"),
        ("X", "€"),
        ("content-length", "3"),
    ],
)
def test_headers_that_can_not_be_sent_are_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError):
        sent("/", headers=[(name, text)])


_text = st.text(st.characters(exclude_characters="{}"), max_size=20)


@given(st.text(max_size=30), st.text(max_size=12), st.text(max_size=20), _text, st.integers(1))
def test_what_is_not_refused_can_be_sent(
    url: str, name: str, text: str, option: str, n: int
) -> None:
    try:
        template = request_template(
            "GET",
            f"/{url}{{choice:{option}}}",
            base=BASE,
            headers=[(name or "X", f"{text}{{choice:{option}}}")],
        )
    except UsageError:
        return
    request = template.request(Turn(n=n, round=1, seed=0))

    headers = [(key.encode(), value.encode("latin-1")) for key, value in request.headers]
    head = h11.Request(method=request.method, target=request.target, headers=headers)
    assert h11.Connection(h11.CLIENT).send(head)


def test_a_file_has_a_request_per_line(tmp_path: Path) -> None:
    first, second, third = from_lines(
        tmp_path,
        "# what the shop does most",
        "get /items/{n}",
        "",
        "DELETE http://other.example/cart",
        '{"method": "put", "url": "/x", "headers": {"X-A": "b"}, "body": "a={{{n}}}"}\r',
    )

    assert (first.method, first.target, first.body) == ("GET", "/items/5", b"")
    assert (second.method, second.origin.host) == ("DELETE", "other.example")
    assert (third.method, third.body) == ("PUT", b"a={5}")
    assert ("X-A", "b") in third.headers
    assert ("Content-Length", "5") in third.headers


def test_a_body_that_is_no_string_is_sent_as_json(tmp_path: Path) -> None:
    (request,) = from_lines(tmp_path, '{"url": "/", "body": {"id": "{n}", "tags": [true, 1.5]}}')

    assert request.method == "POST"
    assert json.loads(request.body) == {"id": "5", "tags": [True, 1.5]}
    assert ("Content-Type", "application/json") in request.headers


@pytest.mark.parametrize(
    "line",
    [
        "GET",
        "GET items",
        "CONNECT a:1",
        "G(T /",
        "GET /{nope}",
        "{",
        '{"method": "GET"}',
        '{"url": 5}',
        '{"url": "/", "method": 5}',
        '{"url": "/", "what": 1}',
        '{"url": "/", "headers": ["a"]}',
        '{"url": "/", "headers": {"a": 1}}',
        '{"url": "/", "body": "\\ud800"}',
        '{"url": "/", "body": ' + "[" * 100_000,
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadRequestsFile) as refused:
        from_lines(tmp_path, "GET /", "", line)

    assert "requests.txt:3: " in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.remedy


def test_a_file_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequestsFile):
        from_lines(tmp_path, "# nothing", "")


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")

    for file in (binary, tmp_path, tmp_path / "missing"):
        with pytest.raises(BadRequestsFile):
            read_requests(file, base=BASE)
