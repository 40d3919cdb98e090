"""What is told of a heap when its process has gone: what was kept, and no more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.evidence import HELD_BY
from leakscope.model.image import KeptNames
from leakscope.watching.fields import FieldsLearnt, key_of
from leakscope.watching.naming import UNNAMED, NotingNames, RecordedNames
from tests.heaps import heap_of
from tests.views import DrawnNames, ascending, image_of

SHOP = ascending(
    heap_of(
        "root:module -> part:dict -> PENDING:list -> r1:Record, r2:Record, r3:Record",
        "r1 -> part1:dict -> q1:Request",
        "r2 -> part2:dict -> q2:Request",
        "r3 -> part3:dict -> q3:Request, extra:str",
        "part -> TAGS:set -> tag:str",
        "part -> APP:App -> q1",
    )
)


def addresses(*names: str) -> list[int]:
    return [SHOP.address(name) for name in names]


def recorded(names: KeptNames) -> RecordedNames:
    return RecordedNames(replace(image_of(SHOP), names=names))


def test_what_was_asked_is_answered_again() -> None:
    noting = NotingNames(DrawnNames(SHOP))
    chain = addresses("root", "part", "PENDING", "r1")
    asked = noting.chain(chain), noting.root(chain[0]), noting.suspended(chain[-1:])

    kept = recorded(noting.kept())

    assert (kept.chain(chain), kept.root(chain[0]), kept.suspended(chain[-1:])) == asked
    assert kept.knows(chain)


def test_a_reference_that_comes_after_others_is_named_as_it_was_there() -> None:
    class Contextual(DrawnNames):
        def chain(self, addresses: object) -> tuple[str, ...]:
            return ("['PENDING']",) if len(addresses) == 2 else ("", ".PENDING")  # type: ignore[arg-type]

    noting = NotingNames(Contextual(SHOP))
    noting.chain(addresses("root", "part", "PENDING"))
    noting.chain(addresses("part", "PENDING"))

    assert recorded(noting.kept()).chain(addresses("part", "PENDING")) == (".PENDING",)


def test_of_what_was_not_asked_no_key_is_invented() -> None:
    nothing = recorded(KeptNames())

    assert nothing.chain(addresses("PENDING", "r1")) == ("[*]",)
    assert nothing.chain(addresses("TAGS", "tag")) == ("<element>",)
    assert nothing.chain(addresses("APP", "q1")) == (UNNAMED,)
    assert nothing.root(SHOP.address("root")) == HELD_BY
    assert nothing.suspended(addresses("r1")) == [()]
    assert not nothing.knows(addresses("PENDING", "r1"))


def learnt(*told: tuple[str | None, str, str, str]) -> KeptNames:
    fields = FieldsLearnt.of(SHOP.snapshot)
    for owner, start, end, text in told:
        above = None if owner is None else SHOP.row(owner)
        fields.learn(above, SHOP.row(start), SHOP.row(end), text)
    return KeptNames(fields=fields.names())


def test_fields_are_called_as_in_other_objects_of_the_class() -> None:
    names = recorded(learnt((None, "r1", "part1", ""), ("r1", "part1", "q1", ".request")))

    assert names.chain(addresses("r2", "part2", "q2")) == ("", ".request")


def test_an_object_with_another_number_of_references_is_not_alike() -> None:
    names = recorded(learnt((None, "r1", "part1", ""), ("r1", "part1", "q1", ".request")))

    assert names.chain(addresses("r3", "part3", "q3")) == ("", "[*]")


def test_a_dict_of_its_own_is_not_named_like_attributes() -> None:
    names = recorded(learnt((None, "r1", "part1", ""), ("r1", "part1", "q1", ".request")))

    assert names.chain(addresses("part2", "q2")) == ("[*]",)


def test_objects_that_differ_teach_nothing() -> None:
    told = [(".a", "1"), (".b", "2"), (".a", "3")]
    names = recorded(learnt(*((None, f"r{n}", f"part{n}", text) for text, n in told)))

    assert names.chain(addresses("r3", "part3")) == (UNNAMED,)


def test_what_is_no_reference_is_no_field() -> None:
    assert key_of(SHOP.snapshot, None, SHOP.row("r1"), SHOP.row("q2")) is None
    assert key_of(SHOP.snapshot, None, SHOP.row("part3"), SHOP.row("extra")) == ("", "dict", 2, 1)


@given(st.lists(st.integers(0, 1 << 64), min_size=2, max_size=6))
def test_addresses_from_anywhere_are_answered(wild: list[int]) -> None:
    names = recorded(KeptNames())
    known = [address % (1 << 64) for address in wild]

    assert len(names.chain(known)) == len(known) - 1
