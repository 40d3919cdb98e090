import ast
from collections import Counter
from collections.abc import Iterator
from importlib import resources

from leakscope.capture.sources import sources_for

ALL = (
    "census",
    "untracked",
    "tracing",
    "entries",
    "chains",
    "search",
    "canary",
    "collecting",
)


def test_every_file_comes_after_those_that_it_builds_on() -> None:
    order = [name for name, _ in sources_for("census")]

    assert order[0] == "borrow"
    assert order.index("classes") < order.index("own") < order.index("census")


def test_no_file_is_sent_twice() -> None:
    order = [name for name, _ in sources_for(*ALL, *ALL)]

    assert len(order) == len(set(order))


def test_the_payload_files_that_nobody_sends_are_the_agent_and_the_package() -> None:
    sent = {name for name, _ in sources_for(*ALL)}
    there = {f.name for f in resources.files("leakscope.capture.payload").iterdir()}

    assert {f"{name}.py" for name in sent} | {"agent.py", "__init__.py"} == {
        name for name in there if name.endswith(".py")
    }


def test_two_files_never_give_one_name_two_meanings() -> None:
    meanings = Counter(name for _, text in sources_for(*ALL) for name in set(_defined(text)))

    assert [name for name, count in meanings.items() if count > 1] == []


def test_nothing_is_imported_in_the_target_but_what_is_always_loaded() -> None:
    imports = [
        ast.unparse(node)
        for _, text in sources_for(*ALL)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]

    assert imports == ["import sys"]


def test_the_target_compiles_neither_docstrings_nor_annotations() -> None:
    for _, text in sources_for(*ALL):
        for node in ast.walk(ast.parse(text)):
            assert not isinstance(node, ast.AnnAssign)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert ast.get_docstring(node) is None
                assert node.returns is None
                assert not any(a.annotation for a in node.args.args)


def test_the_payload_has_no_syntax_that_old_targets_misread_when_written_out_anew() -> None:
    for _, text in sources_for(*ALL):
        tree = ast.parse(text, feature_version=(3, 9))
        assert not any(isinstance(node, (ast.JoinedStr, ast.ClassDef)) for node in ast.walk(tree))


def _defined(text: str) -> Iterator[str]:
    """Yield what the top level of a file defines, but not what it borrows: that is the same."""
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.Assign) and "borrow(" not in ast.unparse(node.value):
            yield from (n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name))
