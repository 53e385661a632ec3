"""What a user imports from `ossicle` is exactly what it says, all of it from its own home."""

import subprocess
import sys

import msgspec

import ossicle
from ossicle.core import errors, events, options
from ossicle.core.events import Flow


def test_all_is_exact():
    found = {name for name in vars(ossicle) if not name.startswith("_")}
    packages = {"advisor", "audio", "cli", "client", "core", "dialects", "engines", "gateway",
                "testing", "transports"}  # fmt: skip
    assert found - packages == set(ossicle.__all__)
    assert sorted(ossicle.__all__) == sorted(set(ossicle.__all__))


def test_every_event_error_and_option_a_user_meets_is_there():
    wanted = {
        name
        for module in (events, errors, options)
        for name in module.__all__
        if isinstance(getattr(module, name), type)
        and issubclass(getattr(module, name), msgspec.Struct | Exception)
    }
    # `Flow` is between client and gateway.
    assert wanted - set(ossicle.__all__) == {Flow.__name__}


def test_importing_it_needs_no_wire_and_no_engine():
    """The client has to import where uvloop, picows or an engine do not exist."""
    program = (
        "import sys, ossicle\n"
        "heavy = {'uvloop', 'picows', 'uvicorn', 'av', 'numpy', 'onnxruntime', 'pocketsphinx',"
        " 'h11', 'starlette'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
