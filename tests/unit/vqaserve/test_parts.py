from __future__ import annotations

from vqaserve.parts import PartSender
from vqaserve.streams import Part
from vqaserve.types import Reply


def part(body: bytes, is_last: bool = False) -> Part:
    return Part(Reply(body), is_last)


class FrontEnd:
    """Notes heads and messages as TorchServe's front end gets them, and refuses what it cannot take."""

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.bodies: dict[int, list[bytes]] = {}
        self.ended: set[int] = set()
        self.sender = PartSender(lambda place, reply: self.heads.append(place), self.message)

    def message(self, bodies, ended) -> None:
        assert bodies.keys() - set(ended), "a message without a reply that goes on ends the batch"
        assert not self.ended & bodies.keys(), "a reply that has ended takes no part"
        self.ended |= set(ended)
        for place, body in bodies.items():
            assert place in self.heads
            self.bodies.setdefault(place, []).append(body)


def test_a_reply_ends_while_another_goes_on():
    end = FrontEnd()
    end.sender.send({0: part(b"a"), 1: part(b"b")})
    end.sender.send({0: part(b"A", is_last=True), 1: part(b"c")})
    assert end.ended == {0}
    assert end.bodies == {0: [b"a", b"A"], 1: [b"b", b"c"]}
    assert end.heads.count(0) == 1


def test_the_last_one_stays_open_until_the_batch_is_done():
    end = FrontEnd()
    end.sender.send({0: part(b"a"), 1: part(b"b")})
    end.sender.send({0: part(b"A", is_last=True), 1: part(b"B", is_last=True)})
    assert end.ended == set()
    assert end.bodies[0] == [b"a", b"A"]


def test_a_reply_that_stayed_open_ends_when_another_begins():
    end = FrontEnd()
    end.sender.send({0: part(b"a", is_last=True)})
    assert end.ended == set()
    end.sender.send({1: part(b"b")})
    assert end.ended == {0}
    assert end.bodies == {0: [b"a", b""], 1: [b"b"]}


def test_a_reply_ends_although_the_others_have_nothing_to_send():
    end = FrontEnd()
    end.sender.send({0: part(b"a"), 1: part(b"b")})
    end.sender.send({0: part(b"A", is_last=True)})
    assert end.ended == {0}
    assert end.bodies[1] == [b"b", b""]
