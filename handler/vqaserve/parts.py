"""Sends the replies of a batch in parts, by the rules of TorchServe's front end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from vqaserve.streams import Part
from vqaserve.types import Reply


class PartSender:
    """The replies of a batch that are sent in parts.

    The front end reads messages about a batch until one has no reply that goes on. A reply can therefore end early only
    while another goes on. The last one stays open until the batch is done: its client has the whole content by then.
    """

    def __init__(
        self, set_head: Callable[[int, Reply], None], message: Callable[[Mapping[int, bytes], Collection[int]], None]
    ) -> None:
        """Send the replies of one batch.

        Args:
            set_head: Sets status and headers of a reply before its first part.
            message: Sends the next bytes of some replies, by place, and ends those of the given places.
        """
        self._set_head = set_head
        self._message = message
        self.begun: set[int] = set()
        """Places of the replies of which a part is sent."""
        self._whole: set[int] = set()
        self._ended: set[int] = set()

    def send(self, parts: Mapping[int, Part]) -> None:
        """Send the next part of some replies, and end those that are whole."""
        for place in parts.keys() - self.begun:
            self._set_head(place, parts[place].reply)
        self.begun |= parts.keys()
        self._whole |= {place for place, part in parts.items() if part.is_last}
        going = self.begun - self._whole
        ended = self._whole - self._ended if going else set()
        bodies = {**dict.fromkeys(ended, b""), **{place: part.reply.body for place, part in parts.items()}}
        if ended and not going & bodies.keys():
            bodies[min(going)] = b""  # a part without bytes, of which the client sees nothing
        self._message(bodies, ended)
        self._ended |= ended
