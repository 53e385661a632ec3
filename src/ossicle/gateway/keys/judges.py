"""Verdicts that have to be waited for: a function of yours, or JSON Web Tokens.

    access.judge = "python:my_module:check"      async def check(credential: str) -> str | None
    access.jwks = "/etc/ossicle/jwks.json"       who signed it, RFC 7517; the file may change
    access.jwks = "https://id.example.org/keys"  the same, fetched

A judge is asked for credentials that are neither one of our keys nor one of our tokens. It gives
the owner, or None. One that takes too long, or fails, lets nobody in.
"""

import asyncio
import importlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from ossicle.core.errors import Denied, OssicleError, Overloaded, Refused
from ossicle.transports.faults import report_fault

from .jwks import FetchedKeys
from .jwt import JwtKeys, TokenCheck

if TYPE_CHECKING:
    from ..configuration.settings import AccessSettings

__all__ = ["Judge", "ask", "judge_of"]

log = logging.getLogger("ossicle.gateway")

Judge: TypeAlias = Callable[[str], Awaitable[str | None]]
"""The owner of a credential; None = not known."""


def judge_of(settings: "AccessSettings") -> Judge | None:
    """The judge that was asked for.

    Raises:
        Refused: there is no such function, or the key set cannot be used.
    """
    if settings.judge and settings.jwks:
        raise Refused("access.judge and access.jwks: use one of them", code="bad_option")
    if settings.judge:
        return _function(settings.judge)
    if settings.jwks:
        check = TokenCheck(settings.jwt_issuer, settings.jwt_audience)
        if "://" not in settings.jwks:
            keys = JwtKeys(Path(settings.jwks), check)

            async def owner(credential: str) -> str:
                return keys.owner(credential)

            return owner
        return FetchedKeys(
            settings.jwks, check, age_s=settings.jwks_age_s, stale_s=settings.jwks_stale_s
        ).owner
    return None


def _function(spec: str) -> Judge:
    kind, _, rest = spec.partition(":")
    module, _, name = rest.rpartition(":")
    if kind != "python" or not module or not name:
        raise Refused(
            f"access.judge: {spec[:80]!r} is not python:MODULE:FUNCTION", code="bad_option"
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Refused(
            f"access.judge: there is no {name[:60]} in {module[:60]} ({type(error).__name__})",
            code="bad_option",
        ) from error
    if not inspect.iscoroutinefunction(found):
        raise Refused(f"access.judge: {name[:60]} is not an async function", code="bad_option")
    return cast("Judge", found)


async def ask(judge: Judge, credential: str, within_s: float) -> str:
    """The owner.

    Raises:
        Denied: the judge does not know the credential.
        Overloaded: it did not answer in time, or failed.
    """
    try:
        async with asyncio.timeout(within_s):
            owner = await judge(credential)
    except TimeoutError as error:
        raise Overloaded(
            f"whoever checks keys did not answer within {within_s:g} s (access.judge_s); try again"
        ) from error
    except OssicleError:
        raise
    except Exception as error:
        report_fault(log, "access.judge", error)
        raise Overloaded("whoever checks keys failed; try again") from error
    if not isinstance(owner, str) or not owner:
        raise Denied("this key is not known")
    return owner
