"""What load commands print at their end tells how many requests they sent."""

from __future__ import annotations

import pytest

from leakscope.load.counted import BadCount, Counting

WRK = """Running 2s test @ http://127.0.0.1:8080/
  2 threads and 10 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.11ms    1.02ms  21.25ms   88.34%
    Req/Sec     1.63k   143.12     1.92k    72.50%
  6513 requests in 2.00s, 1.12MB read
Requests/sec:   3252.26
Transfer/sec:    573.24KB
"""
AB = """Time taken for tests:   0.214 seconds
Complete requests:      1000
Failed requests:        0
Requests per second:    4672.35 [#/sec] (mean)
"""
K6 = """     http_req_waiting...............: avg=11.2ms min=9ms
     http_reqs......................: 1200    39.5/s
     iteration_duration.............: avg=1.01s
"""
VEGETA = """Requests      [total, rate, throughput]         1,200, 65.00, 65.00
Duration      [attack, total, wait]             14.9s, 15.0s, 36.4ms
Status Codes  [code:count]                      200:1200
"""
HEY = """Summary:
  Requests/sec: 4342.21
Status code distribution:
  [200]\t190 responses
  [502]\t10 responses
"""
BOMBARDIER = """  HTTP codes:
    1xx - 0, 2xx - 9990, 3xx - 0, 4xx - 0, 5xx - 10
    others - 0
"""
LOCUST = """Type     Name    # reqs      # fails |    Avg     Min
GET      /          500     0(0.00%) |      3       1
--------|------|-------|-------------|-------|-------
         Aggregated 700     2(0.29%) |      3       1
"""
SIEGE = """Transactions:                     97 hits
Availability:                 100.00 %
"""
H2LOAD = """finished in 1.02s, 980.39 req/s, 120.11KB/s
requests: 1000 total, 1000 started, 1000 done, 1000 succeeded
"""


@pytest.mark.parametrize(
    ("printed", "landed"),
    [
        (WRK, 6513),
        (AB, 1000),
        (K6, 1200),
        (VEGETA, 1200),
        (HEY, 200),
        (BOMBARDIER, 10_000),
        (LOCUST, 700),
        (SIEGE, 97),
        (H2LOAD, 1000),
        ("sent 1,500 requests, all answered\n", 1500),
        ("ok\n", None),
        ("", None),
    ],
)
def test_the_reports_of_known_programs_are_understood(printed: str, landed: int | None) -> None:
    assert Counting().landed(printed) == landed


def test_the_last_report_counts() -> None:
    assert Counting().landed("10 requests in 1s\n25 requests in 2s\n") == 25


def test_a_pattern_of_ones_own_comes_first() -> None:
    counting = Counting.by(r"^delivered (\d+)$")

    assert counting.landed("99 requests in 1s\ndelivered 42\n") == 42
    assert counting.landed("99 requests in 1s\n") is None


@pytest.mark.parametrize("pattern", ["(", "no group", r"(\d+) of (\d+)"])
def test_a_pattern_that_finds_no_number_is_refused(pattern: str) -> None:
    with pytest.raises(BadCount) as refused:
        Counting.by(pattern)

    assert "--count" in refused.value.remedy
