"""``nnfw.layer(...)`` and so on, for a new kind too: a row is all that it needs."""

import textwrap
from abc import abstractmethod
from typing import Protocol

import pytest

from nnfw.cli.completion import complete_kinds
from nnfw.cli.main import main
from nnfw.configuration import describe_hint, kind_of
from nnfw.plugins import Registry, creation
from nnfw.protocols import KINDS, Kind
from nnfw.testing import checks_of, run_checks


class Tokenizer(Protocol):
    """From text to numbers."""

    @abstractmethod
    def tokens(self, text: str) -> list[int]:
        """Return the numbers of the tokens."""
        ...


ROW = Kind("tokenizer", "tokenizers", Tokenizer, "data.tokenizer", checks="kit_of_tokenizers")
MODULES = {
    "kit_of_tokenizers": """
        def exercise(subject, component):
            return component.tokens("a b")

        def check_tokens_are_numbers(subject):
            \"\"\"Every token is a whole number.\"\"\"
            assert all(isinstance(token, int) for token in exercise(subject, subject.component))
    """,
    "fake_words": """
        from dataclasses import dataclass

        @dataclass(frozen=True)
        class Words:
            first: int = 0

            def tokens(self, text):
                return [self.first + len(word) for word in text.split()]
    """,
}


@pytest.fixture
def tokenizers(make, undiscovered, monkeypatch, tmp_path):
    """A kind that one row adds, and an installed plugin with a component of it."""
    monkeypatch.setitem(KINDS, "tokenizer", ROW)
    modules = {name: textwrap.dedent(source) for name, source in MODULES.items()}
    hook = """
        import nnfw

        @nnfw.hookimpl
        def nnfw_components():
            return [nnfw.ComponentSpec("tokenizer", "words", "fake_words:Words", "lengths of the words")]
    """
    make("fake-tokens", textwrap.dedent(hook), **modules)


def test_new_row_is_all_that_a_kind_needs(tokenizers, capsys):
    registry = Registry.discover()
    assert [str(item) for item in registry.components("tokenizer")] == ["'words' (fake-tokens 1.0)"]
    component = creation.tokenizer("words", first=2)
    assert component.tokens("a bc") == [3, 4]
    assert registry.describe("tokenizer", component) == {"type": "fake-tokens:words", "first": 2}
    assert (kind_of(Tokenizer), describe_hint(tuple[Tokenizer, ...])) == ("tokenizer", "list of tokenizers")
    assert complete_kinds("to") == [("tokenizer", "")]
    assert [check.id for check in checks_of("tokenizer")][-1] == "tokenizer.tokens_are_numbers"
    assert run_checks("words", only=["tokenizer.tokens_are_numbers"]).ok
    assert main(["show", "words"]) == 0
    shown = capsys.readouterr().out
    assert '\nIn an experiment file\n[data]\ntokenizer = { type = "words", first = 0 }\n' in shown
    assert "\nnnfw train FILE --set 'data.tokenizer={ type = " in shown


def test_creation_has_a_function_for_kinds_only():
    assert list(creation.__annotations__) == list(KINDS)
    with pytest.raises(AttributeError, match=r"^module 'nnfw\.plugins\.creation' has no attribute 'tier'$"):
        creation.tier  # noqa: B018
