"""The work counter: how many requests, jobs or messages the target has done so far.

Growth per unit of work tells a leak from a busier hour, so leakscope reads a counter that the
service already publishes for Prometheus.
"""

from __future__ import annotations

import base64
import difflib
import http.client
import ipaddress
import math
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from leakscope.capture.exposition import NotExposition, declared_counters, samples
from leakscope.errors import LeakscopeError, UsageError

_TIMEOUT_S = 2.0
_LARGEST_PAGE = 32 << 20
_PLAIN = re.compile("[!-~]+")
_DEFAULT_SUFFIX = "requests_total"


class BadWorkOption(UsageError):
    """The option does not name a counter."""

    hint = "Write it as URL#NAME, for example http://127.0.0.1:8080/metrics#http_requests_total."


class WorkNotRead(LeakscopeError):
    """The work counter could not be read."""


class CounterUnreachable(WorkNotRead):
    """Nothing served the page that should hold the counter."""

    hint = "Open the URL with curl from this machine; leave --work out to measure per second."


class NotPrometheus(WorkNotRead):
    """What was served is not in the Prometheus text format."""

    hint = "Give the URL of the page that Prometheus scrapes, usually /metrics."


class NoSuchCounter(WorkNotRead):
    """The page does not hold the counter."""

    hint = "Give the counter's exact name behind the URL: URL#NAME."


class CounterNotFinite(WorkNotRead):
    """The counter's value is not a number one can count with."""

    hint = "Choose another counter: URL#NAME."


@dataclass(frozen=True, slots=True)
class PrometheusCounter:
    """A counter that the target (or anything that counts its work) publishes over HTTP."""

    url: str
    """Without user name and password."""
    name: str | None = None
    """Exact name; None means the first on the page that ends in `requests_total`."""
    authorization: str | None = None
    """Value of the `Authorization` header, if the URL held a user name."""

    @classmethod
    def from_option(cls, text: str) -> PrometheusCounter:
        """Return the counter that `URL#NAME` or `URL` means; raise `BadWorkOption` if none."""
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise BadWorkOption(f"{text!r} is not a URL: {error}") from error
        if parts.scheme not in ("http", "https") or not host or not _PLAIN.fullmatch(text):
            raise BadWorkOption(f"{text!r} is not an http or https URL")
        if "{" in parts.fragment:
            raise BadWorkOption(
                f"{parts.fragment!r} selects labels, which cannot be done",
                hint="Give the name alone: the counter is summed over all its labels.",
            )
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
        return cls(urlunsplit(bare), unquote(parts.fragment) or None, _authorization(parts))

    def read(self) -> tuple[str, float]:
        """Return the counter's name and its value now, summed over its labels.

        Takes at most about two seconds. Raises a `WorkNotRead` if there is no such value.
        """
        return counter_value(self._fetch(), self.name, where=self.url)

    def _fetch(self) -> str:
        headers = {"Accept": "text/plain;version=0.0.4", "User-Agent": "leakscope"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        try:
            return _page(urllib.request.Request(self.url, headers=headers))
        except urllib.error.HTTPError as error:
            error.close()
            raise CounterUnreachable(f"{self.url} answered {error.code}") from error
        except urllib.error.URLError as error:
            raise CounterUnreachable(f"cannot read {self.url}: {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise CounterUnreachable(f"cannot read {self.url}: {reason}") from error


@dataclass(frozen=True, slots=True)
class WorkReading:
    """The work counter at one instant."""

    name: str
    total: float
    """Work since some moment before the first reading; never falls, whatever the counter does."""
    reset: bool
    """Whether the counter fell since the last reading: whoever counts has started anew."""

    @property
    def unit(self) -> str:
        """What is counted, singular: `request` for `http_requests_total`."""
        words = self.name.removesuffix("_total").replace(":", "_").split("_")
        return words[-1].removesuffix("s") or self.name


class WorkMeter:
    """Reads one counter again and again and bridges its resets.

    When the counter falls, what it shows is taken as work done since the reset, as Prometheus
    does; work between the last reading and the reset is not seen.
    """

    def __init__(self, counter: PrometheusCounter) -> None:
        self._counter = counter
        self._last = 0.0
        self._before_resets = 0.0

    def read(self) -> WorkReading:
        """Return the counter now; a counter found by default is held on to from then on.

        Raises a `WorkNotRead` if there is no such value; a later call may succeed.
        """
        name, value = self._counter.read()
        if self._counter.name is None:
            self._counter = PrometheusCounter(self._counter.url, name, self._counter.authorization)
        reset = value < self._last
        if reset:
            self._before_resets += self._last
        self._last = value
        return WorkReading(name, self._before_resets + value, reset)


def counter_value(page: str, name: str | None, *, where: str = "the page") -> tuple[str, float]:
    """Return the name and the sum over all labels of the counter `name` in `page`.

    Without a name it is the first whose name ends in `requests_total`. A counter that is declared
    and has no sample yet has counted nothing: its value is 0. `where` names the page in
    the messages of `NotPrometheus`, `NoSuchCounter` and `CounterNotFinite`.
    """
    try:
        found = list(samples(page))
    except NotExposition as error:
        raise NotPrometheus(f"{where} does not serve Prometheus text: {error}") from error
    declared = list(declared_counters(page))
    names = list(dict.fromkeys([*(sample.name for sample in found), *declared]))
    chosen = name if name is not None else _default(names)
    values = [sample.value for sample in found if sample.name == chosen]
    if chosen is None or not (values or chosen in declared):
        raise _no_such_counter(name, names, where)
    total = sum(values)
    if not math.isfinite(total):
        raise CounterNotFinite(f"{_shown(chosen)} at {where} is not a finite number")
    return chosen, total


def _default(names: list[str]) -> str | None:
    return next((name for name in names if name.endswith(_DEFAULT_SUFFIX)), None)


def _no_such_counter(name: str | None, names: list[str], where: str) -> NoSuchCounter:
    if name is None:
        near = [found for found in names if found.endswith("_total")][:5]
        line = f"{where} has no counter whose name ends in {_DEFAULT_SUFFIX}"
    else:
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
        line = f"{where} has no counter named {_shown(name)}"
    if not names:
        return NoSuchCounter(f"{where} serves no metrics")
    return NoSuchCounter(f"{line}; it has {', '.join(map(_shown, near))}" if near else line)


def _shown(name: str) -> str:
    return name.encode("unicode_escape").decode()[:80]


def _page(request: urllib.request.Request) -> str:
    """Return the body that answers `request`, read within the timeout as a whole."""
    deadline = time.monotonic() + _TIMEOUT_S
    body = bytearray()
    with _opener(request.host).open(request, timeout=_TIMEOUT_S) as response:
        while chunk := response.read1(1 << 16):
            body += chunk
            if len(body) > _LARGEST_PAGE:
                raise NotPrometheus(f"{request.full_url} serves more than 32 MiB")
            if time.monotonic() > deadline:
                raise TimeoutError("timed out")
    return body.decode(errors="replace")


def _opener(netloc: str) -> urllib.request.OpenerDirector:
    """Return what opens URLs on this host: never through a proxy if that is this machine."""
    if _is_loopback(urlsplit(f"//{netloc}").hostname or ""):
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener()


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
