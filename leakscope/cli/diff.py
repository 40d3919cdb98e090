"""`leakscope diff`: what grew from one file to the next."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.console import colour_wanted, deliver, progress, refuse_outputs, report_width
from leakscope.cli.options import force_option, json_option
from leakscope.errors import UsageError

_STAGES_EACH = 3


class NotTwoProfiles(UsageError):
    """Heap profiles and something else were given together."""

    hint = "Give two files that `leakscope alloc -o` wrote, the earlier one first."


@click.command("diff")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(1),
    default=25,
    show_default=True,
    help="How many types to show; the JSON has them all.",
)
@json_option
@force_option
def command(files: tuple[Path, ...], top: int, json_to: str | None, force: bool) -> None:
    """Show what grew from file to file (snapshots or recordings), and where.

    Types that grew come most first; with three files or more each has a slope with its 95 %
    interval. Of heap snapshots of one process it also says in which containers objects pile up,
    who holds them, and with three or more whether what came has stayed; and what piles up with
    nobody to hold it, because C code took references and did not give them back. One recording
    alone is compared with itself, first sample to last.

    Two heap profiles (`leakscope alloc -o`, or any that pprof reads) are compared by the places
    that allocated what is in use.

    To see whether a leak is gone, of two runs before and after a fix, use `leakscope compare`.
    """
    from leakscope.analysis.compare import comparable_heaps, compare
    from leakscope.report.comparison import render_comparison, render_comparison_json
    from leakscope.storage.files import load
    from leakscope.storage.profiles import is_profile
    from leakscope.watching.heap_compare import compare_heaps
    from leakscope.watching.heap_view import HeapView

    refuse_outputs(None, json_to, force=force)
    profiles = [is_profile(file) for file in files]
    if profiles == [True, True]:
        _compare_profiles(files, top, json_to, force=force)
        return
    if any(profiles):
        raise NotTwoProfiles("two heap profiles can be compared, or recordings and snapshots")
    wanted = True if len(files) == 1 else (-1,)
    with progress(len(files) * _STAGES_EACH) as told:
        recordings = []
        for file in files:
            told(f"{file}: objects and references")
            recordings.append(load(file, heaps=wanted))
        comparison = compare(recordings)
        views = [HeapView(image, told=told) for image in comparable_heaps(recordings)]
        heaps = compare_heaps(views, comparison.unit) if len(views) > 1 else None
    text = render_comparison(
        comparison, heaps, width=report_width(), rows=top, color=colour_wanted()
    )
    deliver(text, render_comparison_json(comparison, heaps), json_to, force=force)


def _compare_profiles(
    files: tuple[Path, ...], top: int, json_to: str | None, *, force: bool
) -> None:
    from leakscope.analysis.profile_growth import profile_growth
    from leakscope.report.profile_growth import render_profile_growth, render_profile_growth_json
    from leakscope.storage.profiles import load_profile

    before, after = map(load_profile, files)
    growths = profile_growth(before, after)
    text = render_profile_growth(
        before, after, growths, rows=top, width=report_width(), color=colour_wanted()
    )
    deliver(text, render_profile_growth_json(before, after, growths), json_to, force=force)
