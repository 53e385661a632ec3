"""The embedded recogniser: pocketsphinx in forked worker processes.

It needs no download and no network. It is good for commands, digits and wake phrases, most of all
with `only_hints`; it is not a dictation engine (`bench/recognition.py` prints how far it is).

    engine   what the gateway sees (`core.ports.Engine`)     in the gateway's process
    nursery  the zygote's supervisor, spare workers
    stream   one session's end of a worker
    framing  bytes between stream and worker
    zygote   loads the models once, forks                    in its own process
    worker   serves one stream                               in one process per stream
    listener turns, transcripts
    decoder  pocketsphinx itself
"""

from .engine import PocketsphinxEngine

__all__ = ["PocketsphinxEngine"]
