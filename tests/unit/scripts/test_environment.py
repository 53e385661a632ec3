"""The lock's reader: what an extra can be left out without."""

from environment import LOCKS, Lock

TEXT = """\
aioquic==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via ossicle (pyproject.toml)
cffi==2.0 ; implementation_name != 'PyPy' \\
    --hash=sha256:cc
    # via
    #   cryptography
    #   pylibsrtp
cryptography==3.0 \\
    --hash=sha256:dd
    # via
    #   aioquic
    #   ossicle (pyproject.toml)
Service_Identity==4.0 \\
    --hash=sha256:ee
    # via aioquic
"""


def test_closure_follows_who_asked() -> None:
    lock = Lock(TEXT)
    assert lock.closure(["cryptography"]) == {"cryptography", "cffi"}
    assert lock.closure(["aioquic"]) == {"aioquic", "cryptography", "cffi", "service-identity"}
    assert lock.closure(["absent"]) == set()


def test_a_part_of_the_lock_keeps_markers_and_hashes() -> None:
    assert Lock(TEXT).only({"cffi", "service-identity"}) == (
        "cffi==2.0 ; implementation_name != 'PyPy' \\\n    --hash=sha256:cc\n"
        "Service_Identity==4.0 \\\n    --hash=sha256:ee\n"
    )


def test_the_real_locks_are_read_to_the_last_line() -> None:
    for path in LOCKS.values():
        text = path.read_text(encoding="utf-8")
        lock = Lock(text)
        assert lock.only(set(lock.askers)).count("--hash=") == text.count("--hash=")
        assert {"uv", "hatchling", "editables"} <= set(lock.askers)
        assert all(lock.askers.values()), "a pin that nobody asked for"
