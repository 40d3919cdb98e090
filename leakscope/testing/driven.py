"""A load that is done at the other end of a channel, and how its server comes to rest."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.load.interface import LoadFailed, Served
from leakscope.testing.messages import Channel, DoRound, RoundDone
from leakscope.watching.rest import Rest


@dataclass(slots=True)
class Driven:
    """Has every round done by whoever asked for the measurement. A `Load`."""

    channel: Channel
    unit: str

    def run_round(self, number: int) -> Served:
        """Ask for a round and return what was done; raise `LoadFailed` if there will be no more."""
        self.channel.send(DoRound(number))
        answer = self.channel.receive()
        if not isinstance(answer, RoundDone):
            raise LoadFailed("the work of a round failed by itself")
        return Served(answer.asked, answer.landed, answer.failures)

    def stop(self) -> None:
        """Do nothing: a round that runs ends by itself, or the channel does."""


class AtRest(Rest):
    """A process that is at rest as soon as it says so: it waits until it was measured."""

    def wait(self) -> bool:
        """Return at once."""
        self.identity.verify()
        return True
