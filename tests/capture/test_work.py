"""Reading a work counter: the text format, the page, resets, and what is no counter."""

from __future__ import annotations

import socketserver
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.capture.exposition import NotExposition, Sample, samples
from leakscope.capture.work import (
    BadWorkOption,
    CounterNotFinite,
    CounterUnreachable,
    NoSuchCounter,
    NotPrometheus,
    PrometheusCounter,
    WorkMeter,
    counter_value,
)
from leakscope.errors import ExitCode

PAGE = """\
# HELP http_requests_total Requests answered.
# TYPE http_requests_total counter
http_requests_total{method="GET",code="200"} 1027 1395066363000
http_requests_total{method="POST",code="400"}    3
http_requests_created{method="GET"} 1.7e9
process_open_fds 12.0
other_requests_total 9
"""


@contextmanager
def serving(answer: Callable[[], tuple[int, bytes]]) -> Iterator[str]:
    """Serve what `answer` returns (status, body) and yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_counter_is_summed_over_its_labels() -> None:
    assert counter_value(PAGE, "http_requests_total") == ("http_requests_total", 1030.0)


def test_without_a_name_the_first_that_counts_requests_is_taken() -> None:
    assert counter_value(PAGE, None) == ("http_requests_total", 1030.0)


def test_a_page_with_windows_line_ends_reads_the_same() -> None:
    assert counter_value(PAGE.replace("\n", "\r\n"), None)[1] == 1030.0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 1", Sample("a", 1)),
        ("a1 2", Sample("a1", 2)),
        ('a{b="}"} 1', Sample("a", 1)),
        ('a{b="\\"#"}1', Sample("a", 1)),
        ('a_total{b="c",} 5 # {trace="x y"} 0.6 1.5', Sample("a_total", 5)),
        ("a -1.5e-3 -7", Sample("a", -0.0015)),
        ('{"my.requests_total", b="c"} 4', Sample("my.requests_total", 4)),
        ("job:a:rate5m .5", Sample("job:a:rate5m", 0.5)),
    ],
)
def test_every_form_of_a_sample_is_read(line: str, expected: Sample) -> None:
    assert list(samples(line)) == [expected]


@pytest.mark.parametrize(
    "line",
    ["<!doctype html>", "a", "a1", "a{b=1", 'a{b="c" 1', "a 1_0", "a 1 2 3", "{} 1", '{b="c"} 1'],
)
def test_a_line_that_is_no_sample_is_refused(line: str) -> None:
    with pytest.raises(NotExposition):
        list(samples(f"ok 1\n{line}\n"))


NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]*", fullmatch=True)
VALUES = st.floats(0, 1e15)
LABEL_VALUES = st.text(st.characters(exclude_categories=["Cs"]))


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@given(st.lists(st.tuples(NAMES, LABEL_VALUES, VALUES)))
def test_what_an_exporter_writes_is_what_is_read(written: list[tuple[str, str, float]]) -> None:
    page = "".join(f'{name}{{l="{escaped(label)}"}} {v!r}\n' for name, label, v in written)

    assert list(samples(page)) == [Sample(name, v) for name, _, v in written]


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1))
def test_the_sum_does_not_depend_on_other_metrics(written: list[tuple[str, float]]) -> None:
    name = written[0][0]
    page = "".join(f"# HELP {n} x\n{n} {v!r}\nz{n} 7\n" for n, v in written)
    expected = sum(v for n, v in written if n == name)
    expected += sum(7 for n, _ in written if f"z{n}" == name)

    assert counter_value(page, name)[1] == pytest.approx(expected)


@given(st.text())
def test_any_text_gives_a_value_or_a_clear_error(page: str) -> None:
    try:
        _, value = counter_value(page, None)
    except (NoSuchCounter, NotPrometheus, CounterNotFinite) as error:
        assert error.remedy
        assert all(c in string.printable for c in str(error))
    else:
        assert value == value


def test_an_unknown_counter_is_answered_with_near_names() -> None:
    with pytest.raises(NoSuchCounter, match="it has http_requests_total") as refused:
        counter_value(PAGE, "http_request_total")

    assert refused.value.exit_code == ExitCode.NOT_MEASURED


def test_no_more_than_five_near_names_are_listed() -> None:
    page = "".join(f"jobs_{n}_total 1\n" for n in "abcdefgh")

    with pytest.raises(NoSuchCounter) as refused:
        counter_value(page, "jobs_total")

    assert str(refused.value).count("_total") == 1 + 5


def test_a_page_without_metrics_says_so() -> None:
    with pytest.raises(NoSuchCounter, match="serves no metrics"):
        counter_value("# nothing yet\n\n", None)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e999"])
def test_a_value_one_cannot_count_with_is_refused(value: str) -> None:
    with pytest.raises(CounterNotFinite):
        counter_value(f"a_requests_total 1\na_requests_total {value}\n", None)


@pytest.mark.parametrize(
    "text",
    [
        "localhost:8080/metrics",
        "file:///etc/passwd",
        "http://",
        "http://h:99999/",
        "http://[::1/metrics",
        "http://h/a b",
        "http://h/metrics#a{code='200'}",
        "",
    ],
)
def test_an_option_that_names_no_counter_is_a_usage_error(text: str) -> None:
    with pytest.raises(BadWorkOption) as refused:
        PrometheusCounter.from_option(text)

    assert refused.value.exit_code == ExitCode.USAGE
    assert refused.value.remedy


def test_the_name_stands_behind_the_hash() -> None:
    counter = PrometheusCounter.from_option("http://127.0.0.1:8080/metrics?x=1#jobs_done_total")

    assert counter.url == "http://127.0.0.1:8080/metrics?x=1"
    assert counter.name == "jobs_done_total"
    assert PrometheusCounter.from_option("http://h/metrics").name is None


def test_a_password_in_the_url_is_sent_and_never_shown() -> None:
    counter = PrometheusCounter.from_option("http://me:s%20cret@127.0.0.1:1/metrics")

    assert counter.authorization == "Basic bWU6cyBjcmV0"
    with pytest.raises(CounterUnreachable) as refused:
        counter.read()
    assert "cret" not in str(refused.value)


def test_a_counter_is_read_over_http_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)

    with serving(lambda: (200, PAGE.encode())) as url:
        counter = PrometheusCounter.from_option(f"{url}#http_requests_total")

        assert counter.read() == ("http_requests_total", 1030.0)


def test_a_page_that_is_not_there_is_unreachable() -> None:
    with serving(lambda: (404, b"no")) as url, pytest.raises(CounterUnreachable, match="404"):
        PrometheusCounter(url).read()


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    with serving(lambda: (200, b"")) as url:
        pass

    with pytest.raises(CounterUnreachable, match="refused"):
        PrometheusCounter(url).read()


def test_a_server_that_never_answers_is_given_up() -> None:
    answered = threading.Event()

    def never() -> tuple[int, bytes]:
        answered.wait()
        return 200, b""

    with serving(never) as url:
        try:
            with pytest.raises(CounterUnreachable, match="timed out"):
                PrometheusCounter(url).read()
        finally:
            answered.set()


def test_a_server_that_answers_byte_by_byte_is_given_up_too() -> None:
    given_up = threading.Event()

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            with suppress(OSError):
                while not given_up.wait(0.05):
                    self.request.sendall(b"#")

    with socketserver.TCPServer(("127.0.0.1", 0), Dripping) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            with pytest.raises(CounterUnreachable, match="timed out"):
                PrometheusCounter(f"http://127.0.0.1:{server.server_address[1]}/").read()
        finally:
            given_up.set()
            thread.join()


def test_what_is_no_http_is_unreachable() -> None:
    class Rude(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(b"220 mail.example ESMTP\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Rude) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(CounterUnreachable, match="cannot read"):
            PrometheusCounter(f"http://127.0.0.1:{server.server_address[1]}/").read()
        thread.join()


def test_a_reset_is_told_and_does_not_lose_work() -> None:
    pages = iter([b"jobs_done_total 100\n", b"jobs_done_total 130\n", b"jobs_done_total 5\n"])
    with serving(lambda: (200, next(pages))) as url:
        meter = WorkMeter(PrometheusCounter(url, "jobs_done_total"))
        readings = [meter.read() for _ in range(3)]

    assert [(r.total, r.reset) for r in readings] == [(100, False), (130, False), (135, True)]


def test_a_counter_found_by_default_is_held_on_to() -> None:
    pages = iter([b"b_requests_total 1\n", b"a_requests_total 50\nb_requests_total 2\n"])
    with serving(lambda: (200, next(pages))) as url:
        meter = WorkMeter(PrometheusCounter(url))
        readings = [meter.read() for _ in range(2)]

    assert [(r.name, r.total) for r in readings] == [
        ("b_requests_total", 1),
        ("b_requests_total", 2),
    ]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("http_requests_total", "request"), ("jobs_total", "job"), ("done", "done"), ("s", "s")],
)
def test_the_unit_is_the_last_word_of_the_name(name: str, unit: str) -> None:
    with serving(lambda: (200, f"{name} 1\n".encode())) as url:
        assert WorkMeter(PrometheusCounter(url, name)).read().unit == unit


@pytest.mark.parametrize("declared", ["http_requests_total", "http_requests"])
def test_a_counter_that_is_declared_and_has_not_counted_yet_is_zero(declared: str) -> None:
    page = f"# HELP {declared} Requests.\n# TYPE {declared} counter\n"

    assert counter_value(page, "http_requests_total") == ("http_requests_total", 0.0)
    assert counter_value(page, None) == ("http_requests_total", 0.0)


def test_a_gauge_that_is_declared_is_no_counter() -> None:
    with pytest.raises(NoSuchCounter):
        counter_value("# TYPE http_requests_total gauge\n", "http_requests_total")
