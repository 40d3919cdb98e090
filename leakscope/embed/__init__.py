"""A heap profile that a service gives of itself, the way Go services do.

    import leakscope.embed

    leakscope.embed.serve(6060)

Then `go tool pprof http://127.0.0.1:6060/debug/pprof/heap` shows which lines allocate what stays in
use, and Pyroscope or Grafana Alloy scrape it. `leakscope watch PID` comes in by the same door, with
no right to trace the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.embed.endpoint import Endpoint

__all__ = ["serve"]


def serve(port: int = 0, *, host: str = "127.0.0.1", sample_bytes: int = 512 * 1024) -> Endpoint:
    """Serve profiles of this process over HTTP until it ends or the endpoint is closed.

    `port`: 0 takes a free one, which `Endpoint.port` tells. `host`: loopback, so that nobody else
    sees what the service is made of; whoever gives another one shows it to that network.
    `sample_bytes`: bytes allocated per sample, on average.

    Sampling begins now. It runs on daemon threads; a child that is forked off serves nothing and is
    not sampled. Raises a `LeakscopeError` where the process cannot be sampled, `OSError` if the
    port is taken.
    """
    from leakscope.embed.endpoint import Endpoint

    return Endpoint(host, port, sample_bytes)
