"""Reads a file of requests: a line of `METHOD URL`, or of JSON, for each."""

from __future__ import annotations

import json
from pathlib import Path

from leakscope.errors import UsageError
from leakscope.load.requests import RequestTemplate, request_template
from leakscope.load.template import Template, json_template, parse_template

_KEYS = ("method", "url", "headers", "body")


class BadRequestsFile(UsageError):
    """A file of requests can not be read, or a line of it makes no sense."""

    hint = (
        "A line is `GET /path`, or JSON such as "
        '{"method": "POST", "url": "/path", "headers": {"X-Id": "{n}"}, "body": {"a": 1}}.'
    )


def read_requests(file: Path, *, base: str | None) -> tuple[RequestTemplate, ...]:
    """Return the requests of a file in its order; empty lines and those after `#` do not count.

    In JSON lines only `url` must be there; the method is GET, or POST where there is a body. A body
    that is a string is sent as it is, with its placeholders filled in; any other is sent as JSON,
    with the placeholders of its strings filled in. URLs that start with `/` are asked of `base`.
    Raises `BadRequestsFile` with the number of the line, and if there is no request at all.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise BadRequestsFile(f"{file} is no text in UTF-8") from None
    except OSError as problem:
        raise BadRequestsFile(f"cannot read {file}: {problem.strerror}") from None
    found = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            found.append(_request(text, base))
        except UsageError as problem:
            raise BadRequestsFile(f"{file}:{number}: {problem}", hint=problem.remedy) from None
    if not found:
        raise BadRequestsFile(f"{file} has no request")
    return tuple(found)


def _request(text: str, base: str | None) -> RequestTemplate:
    if text.startswith("{"):
        return _from_json(text, base)
    words = text.split(None, 1)
    if len(words) != 2:
        raise BadRequestsFile(f"neither METHOD URL nor JSON: {text[:80]!r}")
    return request_template(words[0], words[1], base=base)


def _from_json(text: str, base: str | None) -> RequestTemplate:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BadRequestsFile(f"no JSON: {problem}") from None
    unknown = sorted(set(line) - set(_KEYS))
    if unknown:
        raise BadRequestsFile(f"unknown key {unknown[0][:40]!r}; keys are {', '.join(_KEYS)}")
    url, method = line.get("url"), line.get("method")
    if not isinstance(url, str):
        raise BadRequestsFile("no url, or one that is no string")
    if not isinstance(method, (str, type(None))):
        raise BadRequestsFile("the method is no string")
    headers = _headers(line.get("headers"))
    body = _body(line.get("body"))
    named = {name.lower() for name, _ in headers}
    if not isinstance(line.get("body"), (str, type(None))) and "content-type" not in named:
        headers += (("Content-Type", "application/json"),)
    usual = "GET" if body is None else "POST"
    return request_template(method or usual, url, base=base, headers=headers, body=body)


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadRequestsFile("the headers are no object of strings")
    return tuple(value.items())


def _body(value: object) -> Template | None:
    if value is None:
        return None
    template = parse_template(value) if isinstance(value, str) else json_template(value)
    try:
        "".join(template.texts()).encode()
    except UnicodeEncodeError:
        raise BadRequestsFile("the body has half a surrogate pair, which is no text") from None
    return template
