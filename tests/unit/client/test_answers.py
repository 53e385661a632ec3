"""Who waits for what, and what another gateway is asked for afterwards."""

import asyncio

import pytest

from ossicle.client.answers import Answers
from ossicle.client.outbox import Outbox
from ossicle.core.commands import Configure, Finalize
from ossicle.core.errors import Refused
from ossicle.core.events import Configured, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options

ASKED = Configure(patch={"recognition": {"language": "en", "hints": None}})


@pytest.fixture
def outbox():
    return Outbox(AudioFormat(), buffer_s=1.0, keep_s=1.0)


def last(ref: str) -> Transcript:
    return Transcript(text="go", final=True, ends_turn=True, ref=ref)


async def test_an_answer_comes_once_to_who_asked_and_its_name_is_ours(outbox):
    answers = Answers(outbox)
    one, other = answers.ref(), answers.ref()
    assert one != other
    waiting, another = answers.expect(one), answers.expect(other)
    told, configure = answers.take(last(one), ASKED)
    assert (told, await waiting) == (last(""), last(""))
    assert configure is ASKED
    answers.take(last(one), ASKED)  # said again after a cut
    assert not another.done()
    answers.forget(other)
    answers.take(last(other), ASKED)
    assert not another.done(), "nobody waited any longer"


async def test_a_refusal_is_raised_where_it_was_asked(outbox):
    answers = Answers(outbox)
    waiting = answers.expect(ref := answers.ref())
    answers.take(Notice(level="error", code="bad_option", text="no", ref=ref), ASKED)
    with pytest.raises(Refused, match="no"):
        await waiting


async def test_the_end_answers_everybody(outbox):
    answers = Answers(outbox)
    first, second = answers.expect("a"), answers.expect("b")
    answers.take(last("a"), ASKED)
    answers.fail(None)
    assert (await first).text == "go"
    with pytest.raises(Refused, match="ended before the answer"):
        await second


async def test_a_change_that_was_made_is_asked_of_the_next_gateway_too(outbox):
    answers = Answers(outbox)
    outbox.ask(Configure(ref="c1", patch={"recognition": {"language": None, "punctuate": True}}))
    outbox.ask(Finalize(ref="c2"))
    assert outbox.next(None) == Configure(
        ref="c1", patch={"recognition": {"language": None, "punctuate": True}}
    )
    _, configure = answers.take(Configured(options=Options(), ref="c1"), ASKED)
    assert configure.patch == {"recognition": {"language": None, "hints": None, "punctuate": True}}
    _, same = answers.take(Configured(options=Options(), ref="unknown"), configure)
    assert same is configure


async def test_whoever_goes_leaves_nobody_waiting(outbox):
    answers = Answers(outbox)
    waiting = answers.expect("a")
    task = asyncio.ensure_future(waiting)
    task.cancel()
    answers.take(last("a"), ASKED)
    answers.fail(None)
    assert waiting.cancelled()
