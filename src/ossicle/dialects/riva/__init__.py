"""NVIDIA Riva over gRPC: speech recognition (`StreamingRecognize`, `Recognize`) and synthesis
(`Synthesize`, `SynthesizeOnline`), and the lists of models. Bytes in, bytes out: no gRPC is
imported here. Wire notes: riva.md."""

from .asr_client import RivaClient
from .asr_server import RivaServer
from .asr_unary import RivaRecognizer
from .models import Model, ModelLister, Voice, VoiceLister
from .tts_server import RivaSpeaker, RivaStreamingSpeaker

__all__ = [
    "Model",
    "ModelLister",
    "RivaClient",
    "RivaRecognizer",
    "RivaServer",
    "RivaSpeaker",
    "RivaStreamingSpeaker",
    "Voice",
    "VoiceLister",
]
