"""Deepgram's protocols, both halves: live and pre-recorded `/v1/listen` here, the others beside.

>>> from ossicle.dialects.deepgram.credentials import credential_of
>>> from ossicle.core.wire import Opening
>>> credential_of(Opening(headers=(("authorization", "token abc"),)))
'abc'
"""

__all__: list[str] = []
