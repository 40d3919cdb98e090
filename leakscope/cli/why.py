"""`leakscope why`: the chains that keep objects alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leakscope.cli.console import colour_wanted, deliver, refuse_outputs, report_width
from leakscope.cli.options import capture_option, force_option, json_option
from leakscope.cli.sources import asked_of

if TYPE_CHECKING:
    from leakscope.model.explanation import Explanation, ObjectFacts
    from leakscope.watching.explaining import Answer


_STAGES = 4


@click.command("why")
@click.argument("source", metavar="PID|FILE")
@click.argument("what", metavar="TYPE|@ADDRESS")
@capture_option
@json_option
@force_option
def command(source: str, what: str, capture_kind: str, json_to: str | None, force: bool) -> None:
    """Show why objects of TYPE, or the one at ADDRESS, are alive.

    Says who holds them, from a named root down, in which other ways they are held, and what they
    keep alive. TYPE is a qualified name such as `shop.audit.Record`; the last part is enough if
    only one type is called so.
    """
    from leakscope.watching.explaining import explain_from_file, explain_from_process

    refuse_outputs(None, json_to, force=force)
    answer = asked_of(
        source,
        capture_kind,
        f"who holds {what}",
        stages=_STAGES,
        process=lambda pid, choice, told: explain_from_process(pid, what, choice, told),
        file=lambda path, told: explain_from_file(path, what, told),
    )
    text, document = _rendered(answer)
    deliver(text, document, json_to, force=force)


def _rendered(answer: Explanation | ObjectFacts | Answer) -> tuple[str, str]:
    from leakscope.model.explanation import Explanation, ObjectFacts
    from leakscope.report import explanation, why

    width, color = report_width(), colour_wanted()
    if isinstance(answer, Explanation):
        return (
            explanation.render_explanation(answer, width=width, color=color),
            explanation.render_explanation_json(answer),
        )
    if isinstance(answer, ObjectFacts):
        return (
            explanation.render_object(answer, width=width, color=color),
            explanation.render_object_json(answer),
        )
    return (
        why.render_why(answer.type, answer.evidence, width=width, color=color),
        why.render_why_json(answer.type, answer.evidence),
    )
