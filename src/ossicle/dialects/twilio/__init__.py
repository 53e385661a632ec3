"""Telephone calls that a carrier streams to us: Twilio Media Streams, Telnyx, Vonage, Plivo.

CallServer("twilio", guard=signed(secrets))     server half
TwilioClient()                                  plays Twilio's part
"""

from .client import TwilioClient
from .guard import header_token, signed
from .server import CallServer

__all__ = ["CallServer", "TwilioClient", "header_token", "signed"]
