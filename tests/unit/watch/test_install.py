"""The systemd unit, as text."""

from __future__ import annotations

import configparser

from oakum.watch.install import UNIT_PATH, install_steps, unit_text


def parsed(text):
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(text)
    return unit


def test_the_unit_runs_the_command_with_its_state_directory():
    unit = parsed(unit_text(["/usr/bin/oakum", "watch", "--notify", "cmd:log it"]))
    assert unit["Service"]["ExecStart"] == "/usr/bin/oakum watch --notify 'cmd:log it'"
    assert unit["Service"]["StateDirectory"] == "oakum/watch"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_percent_signs_are_systemds_own_and_doubled():
    assert "100%%" in unit_text(["/usr/bin/oakum", "100%"])


def test_an_archive_elsewhere_may_be_written_to():
    unit = parsed(unit_text(["/usr/bin/oakum"], "/srv/oakum"))
    assert unit["Service"]["ReadWritePaths"] == "/srv/oakum"
    assert "StateDirectory" not in unit["Service"]


def test_the_steps_name_the_unit():
    command = ["/usr/bin/oakum", "watch", "--notify", "cmd:log it"]
    assert install_steps(command)[0] == f"/usr/bin/oakum watch --notify 'cmd:log it' --install > {UNIT_PATH}"
    assert install_steps(command, "/srv/oakum")[1] == "mkdir -p -m 0700 /srv/oakum"
