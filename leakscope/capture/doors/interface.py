"""What a door is: one way of having the loading text run in a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leakscope.errors import LeakscopeError


class DoorClosed(LeakscopeError):
    """A way in does not exist at this moment."""

    hint = "Try again."


class NoDoor(DoorClosed):
    """A way in does not exist for this target, and never will."""

    hint = "leakscope looks into CPython 3.9 to 3.15 on x86-64, and 3.14 and later elsewhere."


class AgentNotLoaded(LeakscopeError):
    """The loading text ran, but the target's dynamic linker did not take the agent."""

    hint = "Its C library may be too unusual for the native agent."


@dataclass(frozen=True, slots=True)
class Knock:
    """The loading text is on its way."""

    held_s: float
    """How long threads of the target were stopped for it."""


class Door(Protocol):
    """One way in. Whatever happens, the target goes on by itself."""

    @property
    def name(self) -> str:
        """How it is called in reports."""
        ...

    @property
    def patience_s(self) -> float:
        """How long to wait for the text to begin before the next door is tried."""
        ...

    def knock(self) -> Knock:
        """Arrange for the text to run; it may run at once, later, or never.

        Raises `DoorClosed` or another `LeakscopeError` if that cannot be done now, `NoDoor` if it
        never can be. Nothing has changed for the target then.
        """
        ...

    def withdraw(self) -> None:
        """Take the request back if it has not been met and can be taken back. Never raises."""
        ...
