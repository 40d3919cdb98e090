"""Placeholders vary what is sent, and the same seed varies it the same way."""

from __future__ import annotations

import json
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.load.placeholders import (
    Between,
    Choice,
    Number,
    Placeholder,
    RandomUuid,
    RoundNumber,
    Turn,
)
from leakscope.load.template import (
    BadTemplate,
    Template,
    escape,
    json_template,
    parse_template,
    template_of,
)


def rendered(text: str, *, n: int = 1, number: int = 1, seed: int = 0) -> str:
    return parse_template(text).render(Turn(n=n, round=number, seed=seed))


_options = st.text(st.characters(exclude_characters="{}|", codec="utf-8"), max_size=5)
_placeholders: st.SearchStrategy[Placeholder] = st.one_of(
    st.just(Number()),
    st.just(RoundNumber()),
    st.just(RandomUuid()),
    st.tuples(st.integers(-999, 999), st.integers(0, 999)).map(
        lambda pair: Between(pair[0], pair[0] + pair[1])
    ),
    st.lists(_options, min_size=1, max_size=4).map(lambda options: Choice(tuple(options))),
)
_templates: st.SearchStrategy[Template] = st.lists(st.one_of(st.text(), _placeholders)).map(
    lambda parts: template_of(iter(parts))
)


@given(_templates)
def test_a_template_reads_back_as_it_was_written(template: Template) -> None:
    assert parse_template(str(template)) == template


@given(st.text(), st.integers(1), st.integers())
def test_escaped_text_comes_out_as_it_is(text: str, n: int, seed: int) -> None:
    assert rendered(escape(text), n=n, seed=seed) == text


@given(st.text("{}nar:-19|x", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        template = parse_template(text)
    except BadTemplate:
        return
    assert parse_template(str(template)) == template


@given(_templates, st.integers(1), st.integers())
def test_a_turn_always_renders_the_same(template: Template, n: int, seed: int) -> None:
    once = template.render(Turn(n=n, round=1, seed=seed))

    assert template.render(Turn(n=n, round=1, seed=seed)) == once


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_without_placeholders_stays_what_it_is(value: object) -> None:
    text = json_template(_escaped(value)).render(Turn(n=1, round=1, seed=0))

    assert json.loads(text) == value


def _escaped(value: object) -> object:
    """Return the value with its strings escaped, wherever they are."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {escape(key): _escaped(item) for key, item in value.items()}
    return value


def test_json_is_filled_in_within_its_strings_and_stays_json() -> None:
    template = json_template({"id": "{n}", "say": '{choice:"|\\}', "list": [1, None, "{{}}"]})

    for n in range(1, 20):
        value = json.loads(template.render(Turn(n=n, round=1, seed=0)))
        assert value["id"] == str(n)
        assert value["say"] in ('"', "\\")
        assert value["list"] == [1, None, "{}"]


def test_numbers_of_request_and_round_are_filled_in() -> None:
    assert rendered("/{round}/{n}?literal={{n}}", n=12, number=3) == "/3/12?literal={n}"


def test_random_numbers_take_every_value_between_their_ends() -> None:
    values = {rendered("{rand:-1-2}", n=n) for n in range(200)}

    assert values == {"-1", "0", "1", "2"}


def test_choices_are_about_equally_frequent() -> None:
    often = Counter(rendered("{choice:a|b|c}", n=n) for n in range(3000))

    assert set(often) == {"a", "b", "c"}
    assert min(often.values()) > 800


def test_uuids_are_well_formed_and_differ() -> None:
    found = {rendered("{uuid}", n=n) for n in range(500)}

    assert len(found) == 500
    assert all(uuid.UUID(text).version == 4 for text in found)


def test_another_seed_draws_other_values() -> None:
    assert rendered("{uuid}", seed=1) != rendered("{uuid}", seed=2)


@pytest.mark.parametrize(
    "text",
    ["{", "}", "a{b", "{}", "{nn}", "{rand}", "{rand:5}", "{rand:9-1}", "{rand:a-b}", "{choice}"],
)
def test_what_is_no_placeholder_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        parse_template(text)


def test_a_refusal_shows_no_control_characters() -> None:
    with pytest.raises(BadTemplate) as refused:
        parse_template("{\x1b[31m}")

    assert str(refused.value).isprintable()
