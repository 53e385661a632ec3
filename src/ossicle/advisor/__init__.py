"""Which protocol? An answer with reasons.

    from ossicle.advisor import Inputs, decide

    advice = decide(Inputs(client="browser", latency_ms=100))
    print(advice.recommended.wire, advice.reasons[0].text)

    facts      what is known of each wire and provider, dated, with its source
    browsers   which browser has what, from `browsers.json`
    inputs     the situation that is asked about
    wishes     what would be best for it, if the network lets everything through
    decide     what remains, and why
    tree       the questions as a graph, and the way through it
    drawing    the graph and the other figures, as SVG
    probe      what the network lets through, measured: the one module here with sockets below it
    findings   what follows from that, for `inputs`

Pure but for `probe`: knows no gateway. What the gateway has is told to it (`Here`).
"""

from .decide import Advice, Choice, Here, Reason, decide
from .facts import FACTS, Fact
from .inputs import Inputs, read_inputs

__all__ = ["FACTS", "Advice", "Choice", "Fact", "Here", "Inputs", "Reason", "decide", "read_inputs"]
