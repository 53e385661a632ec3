"""The outbox against a gateway that counts: every byte and command in order, once for each home."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ossicle.client.outbox import PIECE, Outbox, Place
from ossicle.core.commands import Audio, Cancel, Command, Configure, End, Finalize, Played
from ossicle.core.errors import BadMessage, Refused
from ossicle.core.formats import AudioFormat

PCM = AudioFormat("pcm_u8", 8_000)


def drain(box: Outbox, until_ms: int | None = None) -> list[bytes | Command]:
    items: list[bytes | Command] = []
    while (item := box.next(until_ms)) is not None:
        items.append(item)
    return items


def test_commands_do_not_overtake_audio():
    box = Outbox(PCM)
    box.push(b"abc")
    box.ask(Finalize(ref="1"))
    box.push(b"def")
    assert drain(box) == [b"abc", Finalize(ref="1"), b"def"]
    assert box.idle


def test_large_pieces_are_cut():
    box = Outbox(PCM)
    box.push(bytes(PIECE + 1))
    assert [len(item) for item in drain(box) if isinstance(item, bytes)] == [PIECE, 1]


def test_credit_stops_audio_and_what_stands_behind_it():
    box = Outbox(PCM)
    box.push(bytes(160))
    box.ask(Finalize(ref="1"))
    assert drain(box, 10) == [bytes(80)]
    assert drain(box, 10) == []
    assert drain(box, 20) == [bytes(80), Finalize(ref="1")]


def test_a_resume_goes_on_from_exactly_there():
    box = Outbox(PCM)
    for part in (b"abc", b"def"):
        box.push(part)
        box.ask(Finalize(ref=part.decode()))
    drain(box)
    box.resume(4, 1)
    assert drain(box) == [b"ef", Finalize(ref="def")]


@pytest.mark.parametrize("claimed", [-1, 1, 7])
def test_a_gateway_that_contradicts_itself(claimed: int):
    box = Outbox(PCM)
    box.push(b"abcdef")
    drain(box)
    box.acknowledge(2, 0, 0)
    with pytest.raises(BadMessage, match="6 were sent and it had 2"):
        box.resume(claimed, 0)


def test_another_gateway_hears_what_was_not_settled_and_is_asked_what_was_not_answered():
    box = Outbox(PCM)
    box.push(bytes(80))
    box.ask(Finalize(ref="1"))
    box.ask(Played(utterance="u", until_ms=3))
    box.push(b"\1" * 80)
    box.ask(Finalize(ref="2"))
    drain(box)
    box.acknowledge(160, 3, 5)
    box.answer("1")
    place = box.place(5)
    assert place == Place(40, 5)
    box.move(place)
    assert drain(box) == [bytes(40), b"\1" * 80, Finalize(ref="2")]
    box.resume(0, 0)
    assert drain(box) == [bytes(40), b"\1" * 80, Finalize(ref="2")]
    assert box.ms(160) == 20


def test_what_fell_off_is_named():
    box = Outbox(PCM, keep_s=0.01)
    for _ in range(10):
        box.push(bytes(80))
    drain(box)
    box.acknowledge(800, 0, 0)
    place = box.place(0)
    assert place is not None
    assert place.at >= 720
    assert place.ms == place.at // 8
    assert place.lost_ms == place.ms


def test_what_is_not_taken_never_falls_off():
    box = Outbox(PCM, keep_s=0.0)
    box.push(bytes(8_000))
    drain(box)
    box.acknowledge(0, 0, 1_000)
    assert box.base == 0
    box.resume(0, 0)
    assert sum(len(item) for item in drain(box) if isinstance(item, bytes)) == 8_000


def test_room_has_two_bounds():
    box = Outbox(PCM, buffer_s=10.0)
    assert box.has_room(80_000_000, flowing=False)  # one piece at least, however large
    box.push(bytes(40_000))
    assert not box.has_room(1, flowing=True)
    assert box.has_room(40_000, flowing=False)
    assert not box.has_room(40_001, flowing=False)
    assert box.waiting_s == 5.0
    drain(box)
    assert box.has_room(1, flowing=True)


def test_a_container_moves_from_its_start_or_not_at_all():
    box = Outbox(AudioFormat("webm"), keep_bytes=100)
    box.push(bytes(60))
    drain(box)
    box.acknowledge(60, 0, 5_000)
    assert box.place(5_000) == Place(0, 0)
    box.push(bytes(60))
    box.push(bytes(60))
    drain(box)
    box.acknowledge(180, 0, 5_000)
    assert box.place(5_000) is None


def test_nothing_follows_the_end():
    box = Outbox(PCM)
    box.ask(End())
    with pytest.raises(Refused, match="ended"):
        box.push(b"x")
    with pytest.raises(Refused, match="ended"):
        box.ask(Finalize())


def test_audio_is_no_command():
    with pytest.raises(BadMessage):
        Outbox(PCM).ask(Audio(data=b"x"))


def test_commands_are_bounded():
    box = Outbox(PCM)
    while box.has_place():
        box.ask(Finalize(ref="x"))
    box.answer("x")
    assert box.has_place()


def test_a_cancel_is_wanted_until_its_place_is_settled():
    box = Outbox(PCM)
    box.push(bytes(80))
    box.ask(Cancel(side="in"))
    drain(box)
    box.acknowledge(80, 1, 5)
    box.move(Place(40, 5))
    assert drain(box) == [bytes(40), Cancel(side="in")]
    box.acknowledge(40, 1, 10)
    box.move(Place(80, 10))
    assert drain(box) == []


class Homes(RuleBasedStateMachine):
    """Random asking, cutting, dying; the model is what each gateway got, as one list."""

    @initialize()
    def start(self) -> None:
        self.box = Outbox(PCM, buffer_s=1e6)
        self.wanted: list[int | str] = []
        """Everything asked, in order: bytes as numbers, commands by name."""
        self.got: list[int | str] = []
        """What the gateway of now has, with what came before its place."""
        self.way: list[int | str] = []
        """Sent, not arrived."""
        self.home = 0
        self.names = 0
        self.settled = 0

    @rule(size=st.integers(1, 40))
    def push(self, size: int) -> None:
        start = self.box.end
        self.box.push(bytes((start + i) % 251 for i in range(size)))
        self.wanted += [start + i for i in range(size)]

    @rule(options=st.booleans())
    def ask(self, options: bool) -> None:
        self.names += 1
        name = f"{'c' if options else 'f'}{self.names}"
        self.box.ask(Configure(ref=name) if options else Finalize(ref=name))
        self.wanted.append(name)

    @rule(most=st.integers(1, 20))
    def send(self, most: int) -> None:
        for _ in range(most):
            at = self.box.sent
            item = self.box.next(None)
            if item is None:
                return
            if isinstance(item, bytes):
                assert item == bytes((at + i) % 251 for i in range(len(item)))
                self.way += [at + i for i in range(len(item))]
            else:
                self.way.append(item.ref)

    @rule(count=st.integers(0, 60), flow=st.booleans())
    def arrive(self, count: int, flow: bool) -> None:
        self.got += self.way[:count]
        del self.way[:count]
        if flow:
            self.box.acknowledge(*self.counts(), self.settled // 8)

    @rule()
    def cut(self) -> None:
        self.way.clear()
        self.box.resume(*self.counts())

    @rule(share=st.integers(0, 4))
    def settle(self, share: int) -> None:
        """A final, a multiple of a millisecond that the gateway has heard."""
        heard = max((at + 1 for at in self.got if isinstance(at, int)), default=0)
        self.settled = max(self.settled, heard * share // 4 // 8 * 8)
        self.box.settle(self.settled // 8)

    @rule()
    def answer(self) -> None:
        for name in self.got:
            if isinstance(name, str):
                self.box.answer(name)
                self.got = [each for each in self.got if each != name]
                self.wanted.remove(name)
                # A gateway still counts what it answered.
                self.answered = getattr(self, "answered", 0) + name.startswith("f")
                return

    @rule()
    def die(self) -> None:
        place = self.box.place(self.settled // 8)
        assert place is not None
        assert place.at == self.settled
        self.box.move(place)
        self.way.clear()
        self.home = place.at
        self.answered = 0
        self.got = list(range(place.at))

    def counts(self) -> tuple[int, int]:
        heard = max((at + 1 for at in self.got if isinstance(at, int)), default=self.home)
        asked = sum(isinstance(name, str) and name.startswith("f") for name in self.got)
        return heard - self.home, asked + getattr(self, "answered", 0)

    @invariant()
    def nothing_is_lost_doubled_or_moved(self) -> None:
        if not hasattr(self, "box"):
            return
        numbers = [at for at in self.got + self.way if isinstance(at, int)]
        assert numbers == list(range(len(numbers)))
        finals = [n for n in self.got + self.way if isinstance(n, str) and n.startswith("f")]
        assert (
            finals == [n for n in self.wanted if isinstance(n, str) and n[0] == "f"][: len(finals)]
        )


TestHomes = Homes.TestCase
TestHomes.settings = settings(max_examples=60, stateful_step_count=40, derandomize=True)
