"""The requests of a load: what is asked, of whom, and what varies from one to the next."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from leakscope.errors import UsageError
from leakscope.load.placeholders import Placeholder, Turn
from leakscope.load.template import Template, parse_template, template_of

_ABSOLUTE = re.compile(r"(?P<origin>[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)(?P<target>.*)", re.DOTALL)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PORTS = {"http": 80, "https": 443}
_OURS = ("content-length", "transfer-encoding")
"""Headers that follow from the body."""


class BadRequest(UsageError):
    """What should be asked makes no sense."""

    hint = "A URL is http://HOST:PORT/PATH or https://…, or /PATH of the server under check."


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is asked."""

    scheme: str
    """`http` or `https`."""
    host: str
    """A name in ASCII or an address, without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    origin: Origin
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    """Complete, Host and Content-Length included; Latin-1."""
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request with placeholders. What it renders to can be sent, whatever is drawn."""

    method: str
    origin: Origin
    target: Template
    headers: tuple[tuple[str, Template], ...] = ()
    body: Template | None = None

    def request(self, turn: Turn) -> Request:
        """Return the request for one turn; values are drawn for URL, headers, body, in this order.

        Host, User-Agent, Accept and Content-Length are added where they are missing.
        """
        target = self.target.render(turn)
        own = tuple((name, text.render(turn).strip()) for name, text in self.headers)
        body = b"" if self.body is None else self.body.render(turn).encode()
        usual = [("Host", self.origin.authority), ("User-Agent", "leakscope"), ("Accept", "*/*")]
        if self.body is not None:
            usual.append(("Content-Length", str(len(body))))
        given = {name.lower() for name, _ in own}
        headers = (*(item for item in usual if item[0].lower() not in given), *own)
        return Request(self.origin, self.method, target, headers, body)


def request_template(
    method: str,
    url: str,
    *,
    base: str | None,
    headers: Iterable[tuple[str, str]] = (),
    body: Template | None = None,
) -> RequestTemplate:
    """Return the template of a request; a URL that starts with `/` is one of the server at `base`.

    Raises `BadRequest` or `BadTemplate` for what could not be sent.
    """
    method = method.upper()
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise BadRequest(f"no method that can be sent: {method[:40]!r}")
    origin, target = _split(url, base)
    checked = tuple((_header_name(name), _header_text(name, text)) for name, text in headers)
    return RequestTemplate(method, origin, _target(target), checked, body)


def parse_origin(url: str) -> Origin:
    """Return who is asked at `http://HOST:PORT`. Raises `BadRequest`."""
    try:
        parts = urlsplit(url)
        port, user = parts.port, parts.username
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        raise BadRequest(f"no URL: {url[:80]!r}") from None
    if parts.scheme not in _PORTS or not host or not re.fullmatch(r"[0-9A-Za-z._:%-]+", host):
        raise BadRequest(f"no URL: {url[:80]!r}")
    if user is not None:
        raise BadRequest(
            f"a URL with a password: {parts.scheme}://…@{host}",
            hint="Give an Authorization header in a file of requests.",
        )
    return Origin(parts.scheme, host, port if port is not None else _PORTS[parts.scheme])


def _split(url: str, base: str | None) -> tuple[Origin, str]:
    """Return who a URL asks, and path and query."""
    if url.startswith("/"):
        if base is None:
            raise BadRequest(
                f"{url[:80]!r} does not say which server", hint="Write http://… first."
            )
        return parse_origin(base), url
    match = _ABSOLUTE.fullmatch(url)
    if match is None:
        raise BadRequest(f"neither http://… nor a path that starts with /: {url[:80]!r}")
    return parse_origin(match["origin"]), match["target"]


def _target(text: str) -> Template:
    """Return the template of path and query: without a fragment, quoted where it must be."""
    template = parse_template(text if text.startswith("/") else f"/{text}")
    return template_of(_without_fragment(template)).mapped(_quoted)


def _without_fragment(template: Template) -> Iterator[str | Placeholder]:
    for part in template.parts:
        if isinstance(part, str) and "#" in part:
            yield part.partition("#")[0]
            return
        yield part


def _quoted(text: str) -> str:
    return quote(text, safe=string.punctuation, errors="surrogatepass")


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise BadRequest(f"no header name: {name[:40]!r}")
    if name.lower() in _OURS:
        raise BadRequest(
            f"the header {name} follows from the body",
            hint="Leave it out.",
        )
    return name


def _header_text(name: str, text: str) -> Template:
    template = parse_template(text)
    if not all(_HEADER_TEXT.fullmatch(part) for part in template.texts()):
        raise BadRequest(
            f"the header {name} has characters that no header can have", hint="Use plain text."
        )
    return template
