"""Where a URL goes, and who shares a channel."""

import pytest

from ossicle.core.errors import Refused
from ossicle.transports.grpc.pool import Target, share, target_of
from ossicle.transports.grpc.settings import GrpcSettings


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("grpc://host", "dns:///host:50051"),
        ("grpc://host:1", "dns:///host:1"),
        ("grpc://host:1/", "dns:///host:1"),
        ("grpc://[::1]:1", "dns:///[::1]:1"),
        ("grpc://10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("grpc://10.0.0.1,10.0.0.2", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
        ("grpc://[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2"),
    ],
)
def test_targets(url: str, name: str) -> None:
    assert target_of(url) == Target(name)


def test_tls() -> None:
    assert target_of("grpcs://host", b"pem") == Target("dns:///host:50052", True, b"pem")
    assert target_of("grpc://host", b"pem").roots is None


@pytest.mark.parametrize(
    "url",
    ["http://host", "host:1", "grpc://", "grpc://,", "grpc://host:port", "grpc://a,b",
     "grpc://10.0.0.1,[::1]", "grpc://:1"],
)  # fmt: skip
def test_what_is_no_place(url: str) -> None:
    with pytest.raises(Refused):
        target_of(url)


async def test_a_channel_is_shared_until_the_last_user_leaves() -> None:
    target, other = Target("dns:///localhost:1"), Target("dns:///localhost:2")
    first, second = share(target, GrpcSettings()), share(target, GrpcSettings())
    assert first is second
    assert share(other, GrpcSettings()) is not first
    await first.release()
    assert share(target, GrpcSettings()) is first
    await first.release()
    await first.release()
    third = share(target, GrpcSettings())
    assert third is not first
    await third.release()
    await share(other, GrpcSettings()).release()
