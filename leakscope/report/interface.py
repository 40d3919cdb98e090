"""What every way of writing a diagnosis offers."""

from __future__ import annotations

from typing import Protocol

from leakscope.model.finding import Diagnosis


class Renderer(Protocol):
    """Turns a diagnosis into text. Pure: the same diagnosis gives the same text."""

    def render(self, diagnosis: Diagnosis) -> str:
        """Return the whole report, without a line end at its end."""
        ...
