"""The job summary, read back with GitHub's own Markdown parser."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given
from hypothesis import strategies as st

from leakscope.model.evidence import Site, Step
from leakscope.model.finding import NotLeak
from leakscope.report.markdown import MOST_BYTES, render_markdown
from leakscope.report.markup import code, fenced, html_code, prose, table
from leakscope.report.text import printable
from tests.goldens import assert_golden
from tests.report.gates import FAILED, JUDGED, PASSED, judged_of
from tests.report.hostile import NASTY, any_text, diagnosis_of, raw_in
from tests.report.samples import CLEAN, LEAKING, QUEUED_REQUESTS, SLOW_LEAK

MARKUP = "\\`*_{}[]<>()#+-.!|&;:@~$=/w1 "
markup_text = st.one_of(any_text, st.text(st.sampled_from(MARKUP + "ax\n"), max_size=30))
HOSTILE = [
    NASTY,
    "a|b",
    "a\\|b",
    "`",
    "`` ` ``",
    "```\nx",
    "<script>alert(1)</script>",
    "<!-- ",
    "</details>",
    "![x](http://evil.example/p.png)",
    "[x](javascript:alert)",
    "http://evil.example",
    "www.evil.example",
    "me@evil.example",
    "@everyone",
    "*a* _b_ ~~c~~ __init__",
    "# head",
    "1. one",
    "- - -",
    "$x$",
    "&lt;b&gt;",
]
ALLOWED = frozenset(
    {"h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    | {"details", "summary", "code", "pre", "span"}
)


class Page(HTMLParser):
    """The elements of a page in order, and the text of each innermost `code` and cell."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.codes: list[str] = []
        self.cells: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, "something was left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        self._open.append(tag)
        if tag == "code":
            self.codes.append("")
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if "code" in self._open:
            self.codes[-1] += data
        if {"td", "th"}.intersection(self._open):
            self.cells[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")


def page_of(markdown: str) -> Page:
    """Return what GitHub makes of `markdown`, before it removes what is dangerous."""
    return Page(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))


@pytest.mark.parametrize("name", JUDGED)
def test_the_summary_is_as_reviewed(name: str) -> None:
    assert_golden(f"markdown-{name}.md", render_markdown(*JUDGED[name]))


@pytest.mark.parametrize("name", JUDGED)
def test_the_summary_is_well_formed(name: str) -> None:
    assert set(page_of(render_markdown(*JUDGED[name])).elements) <= ALLOWED


def test_the_first_lines_are_the_decision_the_verdict_and_what_could_have_been_missed() -> None:
    lines = render_markdown(CLEAN, PASSED).splitlines()

    assert lines[0] == "## leakscope: GATE PASSED"
    assert lines[2].startswith("**CLEAN:** nothing grows")
    assert lines[4] == "**GATE PASSED:** nothing grew faster than its budget"
    assert lines[6].startswith("could have been missed: less than 0.0031 gateway.audit.AuditRecord")


def test_what_the_baseline_let_pass_and_what_of_it_is_fixed_is_said() -> None:
    words = page_of(render_markdown(*JUDGED["known"])).words

    assert (
        "known: aiohttp.web_request.Request in gateway.audit.PENDING +1.00 per request, " in words
    )
    assert "until 2030-01-31: waits for the new audit service" in words
    assert "fixed: gateway.policy.Rule +0.50 per request" in words


def test_a_finding_is_a_row_with_rate_holder_and_place() -> None:
    page = page_of(render_markdown(LEAKING, FAILED))
    at = page.cells.index("L1 over budget")

    assert page.cells[at + 1 : at + 5] == [
        "aiohttp.web_request.Request",
        "+1.00 per request [0.99, 1.01], +1.9 KiB/request",
        "gateway.audit.PENDING",
        "gateway/audit.py:88 in enqueue",
    ]


def test_the_retention_chain_is_folded_away_as_it_is_in_the_terminal() -> None:
    page = page_of(render_markdown(LEAKING, FAILED))

    (chain,) = [text for text in page.codes if text.startswith("module gateway.audit")]
    assert "└─ .PENDING : dict   ← accumulates here: 97,412 entries" in chain
    assert page.elements.count("details") == 3


def test_a_name_is_between_backticks_unless_that_would_change_it() -> None:
    assert code("shop.Order[*] <x> & __y__") == "`shop.Order[*] <x> & __y__`"
    assert code("a`b|c").startswith("<code>")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_makes_an_element_a_row_or_a_link(text: str) -> None:
    tame = page_of(render_markdown(*judged_of("tame")))

    hostile = page_of(render_markdown(*judged_of(text)))

    assert [e for e in hostile.elements if e != "span"] == tame.elements
    assert set(hostile.attributes) == set(tame.attributes)
    assert not raw_in(hostile.words)


@given(markup_text)
@example("\\")
@example("^^^")
@example("***")
@example("1)")
def test_whatever_the_target_is_called_the_page_has_the_same_structure(text: str) -> None:
    tame = page_of(render_markdown(*judged_of("tame")))

    hostile = page_of(render_markdown(*judged_of(text or "x")))

    assert [e for e in hostile.elements if e != "span"] == tame.elements
    assert set(hostile.attributes) == set(tame.attributes)


@given(markup_text)
def test_a_name_in_a_table_is_shown_as_it_is(text: str) -> None:
    page = page_of(table(("a", "b"), [[code(text), html_code(text)], ["x", prose(text)]]))

    assert page.codes == [printable(text)] * 2
    assert len(page.cells) == 6
    assert page.cells[5].split() == printable(text).split()


@given(markup_text)
def test_words_in_a_list_are_shown_as_they_are(text: str) -> None:
    page = page_of(f"- {prose(text)}x")

    assert [e for e in page.elements if e != "span"] == ["ul", "li"]
    assert page.words.split() == (printable(text).strip(" ") + "x").split()


@given(st.lists(markup_text.map(printable), min_size=1, max_size=5).map("\n".join))
def test_nothing_in_a_code_block_ends_it(block: str) -> None:
    page = page_of(fenced(block) + "\n\nafter")

    assert page.elements == ["pre", "code", "p"]
    assert page.codes == [block + "\n"]


def test_nobody_is_mentioned() -> None:
    assert "@" not in prose("@everyone, look: me@example.org")


def test_a_summary_never_exceeds_what_github_takes_and_says_what_it_left_out() -> None:
    long = "x" * 20_000
    finding = replace(SLOW_LEAK, why=long, chain=(Step(f"module {long}", "module"),))
    huge = replace(
        LEAKING,
        findings=(finding,) * 80,
        not_leaks=(NotLeak("é" * 9000, "flat", long),) * 90,
    )

    text = render_markdown(huge, FAILED)

    assert len(text.encode()) < MOST_BYTES + 200
    assert "left out: too long" in text
    assert set(page_of(text).elements) <= ALLOWED


def test_endless_lists_end_with_how_many_more_there_are() -> None:
    many = replace(LEAKING, findings=(SLOW_LEAK,) * 120, not_leaks=CLEAN.not_leaks * 60)

    text = render_markdown(many, None)

    assert "20 more findings (--json has them all)" in text
    assert "- 20 more (--json has them all)" in text


def test_a_stack_is_shown_innermost_first() -> None:
    sites = tuple(Site(f"f{place}.py", place + 1, "f") for place in range(3))
    text = render_markdown(
        replace(LEAKING, findings=(replace(QUEUED_REQUESTS, allocated_at=sites),)), None
    )

    assert "- allocated at: `f0.py:1 in f` ← `f1.py:2 in f` ← `f2.py:3 in f`" in text


def test_a_diagnosis_full_of_control_characters_shows_none() -> None:
    assert not raw_in(render_markdown(diagnosis_of(NASTY), None))
