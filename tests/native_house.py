"""What may be said in ossicle.v1, as strategies; the laws of both spellings draw from here."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Played,
    Speak,
    Tell,
)
from ossicle.core.errors import CODES, Fault
from ossicle.core.events import (
    Asked,
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
    Flow,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
    Usage,
    Word,
)
from ossicle.core.formats import WIDTHS, AudioFormat
from ossicle.core.ledger import LedgerReport
from ossicle.core.options import (
    AnswerOptions,
    Hint,
    Options,
    RecognitionOptions,
    SynthesisOptions,
    Tool,
    TurnOptions,
)

counts = st.integers(0, 2**53)
maybe_count = st.none() | counts
text = st.text(max_size=30)
name = st.text(max_size=20)
share = st.floats(0, 1)
maybe_share = st.none() | share
sides = st.sampled_from(["in", "out"])
formats = st.builds(
    AudioFormat,
    st.sampled_from(sorted(WIDTHS)),
    st.integers(8_000, 48_000),
    st.integers(1, 8),
)
usages = st.builds(Usage, counts, counts, counts, counts)
words = st.builds(Word, text, counts, counts, maybe_share, name, name)
turns = st.builds(
    TurnOptions,
    st.integers(0, 3_600_000),
    st.integers(0, 3_600_000),
    share,
    maybe_share,
    maybe_share,
    st.booleans(),
)
hints = st.builds(
    Hint,
    # `hint=text:2.5` reads a number after the last colon as the boost
    st.text(min_size=1, max_size=20).filter(lambda said: ":" not in said),
    st.none() | st.floats(0, 100).map(lambda boost: float(f"{boost:g}")),
)
recognitions = st.builds(
    RecognitionOptions,
    language=name,
    model=name,
    interim_results=st.booleans(),
    word_times=st.booleans(),
    alternatives=st.integers(1, 10),
    hints=st.lists(hints, max_size=3).map(tuple),
    only_hints=st.booleans(),
    diarize=st.booleans(),
    punctuate=st.booleans(),
    profanity_filter=st.booleans(),
    channels=st.sampled_from(["mix", "split"]),
    final=st.sampled_from(["fast", "accurate"]),
    turns=turns,
)
syntheses = st.builds(SynthesisOptions, name, name, st.floats(0.25, 4.0))
answers = st.builds(
    AnswerOptions,
    wanted=st.booleans(),
    auto=st.booleans(),
    interrupt=st.booleans(),
    resume=st.booleans(),
    aloud=st.booleans(),
    instructions=name,
    tools=st.lists(
        st.builds(Tool, name.filter(bool), name, st.just('{"type":"object"}')), max_size=2
    ).map(tuple),
    tool_choice=name,
    max_tokens=st.none() | st.integers(1, 1_000_000),
)
options = st.builds(
    Options,
    recognitions,
    syntheses,
    st.sampled_from(["pause", "drop_oldest", "refuse"]),
    name,
    st.booleans(),
    answers=answers,
)
faults = st.builds(
    Fault,
    st.sampled_from(sorted(CODES)),
    text,
    st.sampled_from(["client", "us", "upstream"]),
    st.booleans(),
)
ms = st.none() | st.floats(0, 1e6)
ledgers = st.builds(LedgerReport, ms, ms, ms, ms, ms, ms, ms, ms, ms, counts)


def patch_of(value: Options) -> dict[str, Any]:
    patch = msgspec.to_builtins(value)
    del patch["hears"], patch["speaks"]  # chosen by the session
    if value.answers == AnswerOptions():
        del patch["answers"]  # a query has no names for them
    return msgspec.json.decode(msgspec.json.encode(patch))  # as JSON has it: lists for tuples


commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        Configure,
        ref=name,
        patch=options.map(patch_of),
        format=st.none() | formats,
        speaks=st.none() | formats,
    ),
    st.builds(Audio, data=st.binary(min_size=1, max_size=50)),
    st.builds(Finalize, ref=name, at_ms=maybe_count, channel=maybe_count),
    st.builds(
        Speak,
        ref=name,
        text=st.none() | text,
        more=st.booleans(),
        options=st.none() | syntheses,
    ),
    st.builds(
        Tell,
        ref=name,
        kind=st.sampled_from(["text", "digits", "result"]),
        text=text,
        role=name,
        call=name,
    ),
    st.builds(
        Played, ref=name, utterance=name, until_ms=counts, mark=name, estimated=st.booleans()
    ),
    st.builds(Cancel, ref=name, side=sides, utterance=name),
    st.builds(End, ref=name, at_ms=maybe_count, to=name),
)
numbered: dict[str, Any] = {"seq": counts, "ref": name}
reasons = st.sampled_from(
    ["silence", "model", "timeout", "asked", "limit", "end", "done", "cancelled", "failed"]
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Configured, **numbered, options=options),
    st.builds(
        SpeechStarted,
        **numbered,
        at_ms=maybe_count,
        side=sides,
        turn=counts,
        channel=counts,
        utterance=name,
    ),
    st.builds(
        Transcript,
        **numbered,
        text=text,
        start_ms=maybe_count,
        end_ms=maybe_count,
        side=sides,
        turn=counts,
        segment=counts,
        final=st.booleans(),
        ends_turn=st.booleans(),
        stable=counts,
        words=st.none() | st.lists(words, max_size=3).map(tuple),
        confidence=maybe_share,
        end_confidence=maybe_share,
        language=name,
        channel=counts,
        alternatives=st.lists(text, max_size=2).map(tuple),
        utterance=name,
        usage=st.none() | usages,
    ),
    st.builds(
        SpeechEnded,
        **numbered,
        at_ms=maybe_count,
        side=sides,
        turn=counts,
        reason=reasons,
        provisional=st.booleans(),
        confidence=maybe_share,
        heard_ms=maybe_count,
        channel=counts,
        utterance=name,
        usage=st.none() | usages,
    ),
    st.builds(
        AudioOut,
        **numbered,
        utterance=name,
        data=st.binary(min_size=1, max_size=50),
        start_ms=counts,
        mark=name,
    ),
    st.builds(Asked, **numbered, call=name, name=name, arguments=text, utterance=name),
    st.builds(
        Told,
        **numbered,
        kind=st.sampled_from(["text", "digits", "result"]),
        text=text,
        role=name,
        call=name,
    ),
    st.builds(
        Marked, **numbered, name=name, utterance=name, heard_ms=counts, cleared=st.booleans()
    ),
    st.builds(
        Flow,
        taken_bytes=counts,
        taken_commands=counts,
        settled_ms=counts,
        until_ms=maybe_count,
    ),
    st.builds(
        Notice,
        **numbered,
        level=st.sampled_from(["info", "warning", "error"]),
        code=name,
        text=text,
    ),
)
begans = st.builds(
    Began,
    session=name,
    token=name,
    options=options,
    expires_at=st.none() | st.floats(0, 1e12),
    taken_bytes=counts,
    taken_commands=counts,
    resumed=st.booleans(),
    engine=name,
)
ends = st.builds(
    Ended,
    **numbered,
    reason=st.sampled_from(
        ["done", "failed", "refused", "idle", "limit", "moved", "lost", "shutdown"]
    ),
    audio_ms=counts,
    session_ms=counts,
    error=st.none() | faults,
    to=name,
    usage=st.none() | usages,
    ledger=st.none() | ledgers,
)
