"""Options that say how the built-in client loads a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from leakscope.cli.options import Command, Duration
from leakscope.cli.project import was_typed
from leakscope.load.faults import Shares
from leakscope.load.plan import USUAL_REQUESTS, ClientPlan

_SHARE = click.FloatRange(0, 1)

_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--url",
        "urls",
        multiple=True,
        metavar="URL",
        help="Ask URL, or /PATH of the server; may be given several times. {n}, {rand:1-999}, "
        "{choice:a|b} and {uuid} in it vary from request to request.",
    ),
    click.option(
        "--requests",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Ask what FILE says: lines of `METHOD URL`, or of JSON with method, url, headers and "
        "body.",
    ),
    click.option(
        "--requests-per-round",
        type=click.IntRange(1),
        metavar="N",
        help=f"How many requests a round has.  [default: {USUAL_REQUESTS}, or as many as FILE]",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        metavar="N",
        help="Requests per second.  [default: as many as the server answers]",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        default=10,
        show_default=True,
        help="Connections at a time.",
    ),
    click.option(
        "--disconnect",
        type=_SHARE,
        default=0.0,
        metavar="SHARE",
        help="Share of the requests whose client leaves before the answer: 0.1 is every tenth.",
    ),
    click.option(
        "--half",
        type=_SHARE,
        default=0.0,
        metavar="SHARE",
        help="Share of the requests whose client leaves in the middle of the request.",
    ),
    click.option(
        "--slow",
        type=_SHARE,
        default=0.0,
        metavar="SHARE",
        help="Share of the requests that are read slowly.",
    ),
    click.option(
        "--seed",
        type=int,
        default=0,
        show_default=True,
        metavar="N",
        help="Draws other random values.",
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Take any certificate of an https server.",
    ),
    click.option(
        "--request-timeout",
        "timeout",
        type=Duration(),
        default="30s",
        show_default=True,
        help="How long one request may take.",
    ),
)


def load_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the built-in client; it gets them as `client: ClientPlan`.

    URLs or a file on the command line replace both of the project's settings. The client is wanted
    if the plan `asks`. Raises `BadPlan`.
    """

    @wraps(function)
    def collected(
        *arguments: Any,  # noqa: ANN401  # Whatever else the command takes.
        urls: tuple[str, ...],
        requests: Path | None,
        requests_per_round: int | None,
        rate: float | None,
        concurrency: int,
        disconnect: float,
        half: float,
        slow: float,
        seed: int,
        insecure: bool,
        timeout: float,
        **others: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        context = click.get_current_context()
        typed = [name for name in ("urls", "requests") if was_typed(context, name)]
        client = ClientPlan(
            urls=() if typed == ["requests"] else urls,
            requests=None if typed == ["urls"] else requests,
            requests_per_round=requests_per_round,
            rate=rate,
            concurrency=concurrency,
            shares=Shares(disconnect=disconnect, slow=slow, half=half),
            seed=seed,
            insecure=insecure,
            timeout=timeout,
        )
        return function(*arguments, client=client, **others)

    wrapped: Callable[..., Any] = collected
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
