"""A key set at an address of the operator's: fetched when it is needed, and again in time.

    keys = FetchedKeys("https://id.example.org/keys", TokenCheck(issuer, audience))
    owner = await keys.owner(token)

Fetched with `reach`: the address is looked up, checked and pinned, and no redirect is followed.
Three bounds: a set is used `age_s` without looking; a `kid` that is not in it is looked for at most
every `AGAIN_S`, so that made-up tokens cannot make us knock there; and while fetching fails, the
old set stands for `stale_s` more, so that keys taken out meanwhile do not stand for ever.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from ossicle.core.errors import OssicleError, Overloaded, Refused

from ..fetching.loopback import loopback
from ..fetching.reach import Post, Reach
from .jwt import MOST_BYTES, KeySet, TokenCheck, candidates, header_of, parse_keys

__all__ = ["AGAIN_S", "FetchedKeys"]

log = logging.getLogger("ossicle.gateway")

AGAIN_S = 10.0
"""Between two attempts."""


class FetchedKeys:
    """The set at one address."""

    def __init__(
        self,
        url: str,
        check: TokenCheck,
        *,
        age_s: float = 300.0,
        stale_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Raises:
            Refused: it is no address that keys may come from.
        """
        host = _host(url)
        self._host = host
        self._reach = Reach((host,))
        self._target = self._reach.target(url)
        if not self._target.secure and not loopback(host):
            raise Refused(
                f"access.jwks: keys from {host[:100]} have to come over https://, or anybody on "
                "the way can put in their own",
                code="bad_option",
            )
        self._check = check
        self._age_s, self._stale_s, self._clock = age_s, stale_s, clock
        self._keys: KeySet = ()
        self._fetched = self._tried = -math.inf
        self._failed = ""
        self._fetching = asyncio.Lock()

    async def owner(self, token: str) -> str:
        """Whose token it is.

        Raises:
            Denied: as `TokenCheck.owner`.
            Overloaded: there are no keys to check it with.
        """
        header = header_of(token)  # what is no token is not worth a fetch
        if self._old() >= self._age_s and not (self._usable and self._fetching.locked()):
            await self._fetch()
        if self._usable and not candidates(header, self._keys):
            await self._fetch()
        if not self._usable:
            raise Overloaded(
                f"the keys of {self._host} (access.jwks) cannot be fetched: {self._failed}; "
                "try again",
                retry_after_s=max(1.0, AGAIN_S - (self._clock() - self._tried)),
            )
        return self._check.owner(token, self._keys)

    def _old(self) -> float:
        return self._clock() - self._fetched

    @property
    def _usable(self) -> bool:
        return self._old() < self._age_s + self._stale_s

    async def _fetch(self) -> None:
        """Try, unless somebody has just tried."""
        async with self._fetching:
            if self._clock() - self._tried < AGAIN_S:
                return
            self._tried = self._clock()
            post = Post(
                self._reach, self._target, method="GET", connect_s=2.0, answer_s=2.0,
                keep=MOST_BYTES,
            )  # fmt: skip
            try:
                reply = await post(b"", (("accept", "application/json"),))
                if reply.status != 200:
                    raise Refused(f"{self._host} answered with {reply.status}")
                self._keys = parse_keys(reply.body, self._host)
            except OssicleError as error:
                if not self._failed:
                    log.warning(
                        "access.jwks: the keys of %s cannot be fetched: %s; %s",
                        self._host, error,
                        f"the old ones stand for {self._stale_s:g} s" if self._keys else
                        "nobody comes in by them",
                    )  # fmt: skip
                self._failed = str(error)
            except asyncio.CancelledError:  # whoever asked had no more time
                self._failed = self._failed or f"{self._host} did not answer in time"
                raise
            else:
                self._fetched, self._failed = self._clock(), ""
            finally:
                post.close()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
