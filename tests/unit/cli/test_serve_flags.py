"""`ossicle serve`: its flags have fixed names, and the defaults of the settings."""

import typer

from ossicle.cli import app
from ossicle.gateway.configuration.naming import LATER, SETTINGS, plain

FIXED = {
    "--host", "--port", "--tls-port", "--grpc-port", "--grpc-tls-port", "--quic-port",
    "--sip-port", "--sip-tls-port", "--rtp-ports", "--ice-ports", "--announce", "--engine",
    "--config", "--state-dir", "--allow-host", "--voice", "--cert", "--key", "--drain",
    "--open-to-anyone", "--log-level",
}  # fmt: skip

SERVE = typer.main.get_command(app).commands["serve"]
FLAGS = {flag: each for each in SERVE.params for flag in each.opts}


def test_fixed_names_stay():
    assert FIXED - set(FLAGS) == set()


def test_a_flag_has_the_name_and_the_default_of_its_setting():
    for setting in SETTINGS.values():
        if setting.flag in FLAGS and setting.default is not None:
            shown = FLAGS[setting.flag].default
            if shown is not None:  # the repeatable ones
                assert str(shown) == str(plain(setting.default)), setting.name


def test_every_flag_is_a_setting():
    known = {setting.flag for setting in SETTINGS.values()}
    known |= {f"--{name.replace('_', '-')}" for name in LATER}
    rest = {each.opts[0] for each in SERVE.params} - known
    assert rest == {"--config", "--set", "--model"}
