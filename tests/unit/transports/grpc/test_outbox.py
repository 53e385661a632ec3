"""Writes of one call: in order, one at a time, bounded, and forgotten when the call is dropped."""

import asyncio
from typing import Any

import pytest

from ossicle.core.wire import Accept, Close
from ossicle.transports.grpc.outbox import Item, Outbox
from ossicle.transports.grpc.settings import GrpcSettings

SMALL = GrpcSettings(write_high=100, write_low=20, max_backlog=1_000)


class Wire:
    """Takes an item when told to."""

    def __init__(self, settings: GrpcSettings = SMALL) -> None:
        self.begun: list[Item] = []
        self.done: list[Item] = []
        self.told: list[bool] = []
        self.errors: list[Exception] = []
        self.gates: list[asyncio.Future[Any]] = []
        self.box = Outbox(
            settings,
            writable=self.told.append,
            write=self.begin,
            begin=self.begin,
            broke=self.errors.append,
        )

    def begin(self, item: Item) -> Any:
        self.begun.append(item)
        if isinstance(item, Close):
            return None
        return self._write(item)

    async def _write(self, item: Item) -> None:
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        self.done.append(item)

    async def land(self, error: Exception | None = None) -> None:
        gate = self.gates.pop(0)
        if error is None:
            gate.set_result(None)
        else:
            gate.set_exception(error)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_the_first_step_runs_inside_put_and_the_rest_in_order() -> None:
    wire = Wire()
    for item in (Accept(), b"one", b"two", Close()):
        assert wire.box.put(item)
    assert wire.begun == [Accept()]
    await wire.land()
    assert wire.begun == [Accept(), b"one"]
    await wire.land()
    await wire.land()
    assert wire.done == [Accept(), b"one", b"two"]
    assert wire.begun[-1] == Close()
    assert wire.box.waiting == 0


async def test_marks() -> None:
    wire = Wire()
    wire.box.put(bytes(90))
    assert wire.told == []
    wire.box.put(bytes(20))
    wire.box.put(bytes(20))
    assert wire.told == [False]
    await wire.land()
    assert wire.told == [False]
    await wire.land()
    assert wire.told == [False, True]
    await wire.land()
    assert wire.box.waiting == 0


async def test_the_bound_and_one_large_message_that_may_pass_it() -> None:
    wire = Wire()
    assert wire.box.put(bytes(5_000))
    assert not wire.box.put(b"x")
    await wire.land()
    assert wire.box.put(b"x")
    await wire.land()


async def test_a_standing_message_is_forgotten_and_metadata_is_not() -> None:
    wire = Wire()
    wire.box.put(b"stands")
    wire.box.put(b"never")
    wire.box.clear()
    wire.box.put(Close())
    assert wire.begun == [b"stands", Close()]
    wire.gates[0].set_exception(ValueError("late"))  # nobody is left to be told
    await asyncio.sleep(0)
    assert wire.errors == []

    other = Wire()
    other.box.put(Accept())
    other.box.put(b"never")
    other.box.clear()
    other.box.put(Close())
    assert other.begun == [Accept()]
    await other.land()
    assert other.begun == [Accept(), Close()]


async def test_a_failed_write_ends_it() -> None:
    wire = Wire()
    wire.box.put(b"one")
    wire.box.put(b"two")
    await wire.land(ValueError("no"))
    assert [type(error) for error in wire.errors] == [ValueError]
    assert wire.begun == [b"one"]


async def test_a_bare_yield_is_a_turn_of_the_loop() -> None:
    done = asyncio.Event()

    async def write() -> None:
        await asyncio.sleep(0)
        done.set()

    box = Outbox(
        SMALL,
        writable=lambda yes: None,
        write=lambda data: write(),
        begin=lambda item: None,
        broke=pytest.fail,  # type: ignore[arg-type]
    )
    box.put(b"x")
    await asyncio.wait_for(done.wait(), 1)
    assert box.since == float("inf")
