from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leakscope.report.layout import Page, Span, Style, cells
from tests.report.hostile import any_text


def page_of(width: int, *fields: str, color: bool = False) -> str:
    page = Page(width, color=color)
    page.put(*fields)
    return page.text()


def test_fields_stand_on_one_line_when_they_fit() -> None:
    assert page_of(40, "one two", "three") == "one two   three"


def test_a_field_that_does_not_fit_begins_the_next_line() -> None:
    assert page_of(20, "one two three", "four five") == "one two three\nfour five"


def test_a_word_is_never_cut() -> None:
    assert page_of(20, "see /a/very/long/path/to/file.py now") == (
        "see\n/a/very/long/path/to/file.py\nnow"
    )


def test_wrapped_lines_begin_with_the_hanging_indent() -> None:
    page = Page(20)
    page.put("alpha beta gamma delta", indent="- ", hang="    ")

    assert page.text() == "- alpha beta gamma\n    delta"


def test_wide_characters_take_two_columns() -> None:
    assert cells("漢字") == 4
    assert page_of(20, "漢字漢字 漢字漢字 漢字漢字") == "漢字漢字 漢字漢字\n漢字漢字"


def test_colour_adds_attributes_and_nothing_else() -> None:
    def page(*, color: bool) -> str:
        page = Page(40, color=color)
        page.put((Span("BAD", Style.BAD), Span("and plain")), Span("dim it", Style.DIM))
        return page.text()

    assert page(color=False) == "BAD and plain   dim it"
    assert page(color=True) == "\x1b[1;31mBAD\x1b[0m and plain   \x1b[2mdim it\x1b[0m"


@given(st.lists(any_text, max_size=6), st.integers(20, 200))
def test_only_a_single_word_is_ever_wider_than_the_page(fields: list[str], width: int) -> None:
    for line in page_of(width, *fields).splitlines():
        assert cells(line) <= width or " " not in line.strip(" ")
