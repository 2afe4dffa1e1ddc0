"""The systemd unit, as text."""

from __future__ import annotations

import configparser

import pytest

from oakum.watch.install import UNIT_PATH, install_steps, unit_text


def parsed(text):
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(text)
    return unit


def test_the_unit_runs_the_command_with_its_state_directory():
    unit = parsed(unit_text(["/usr/bin/oakum", "watch", "--notify", "cmd:log it"]))
    assert unit["Service"]["ExecStart"] == '/usr/bin/oakum watch --notify "cmd:log it"'
    assert unit["Service"]["StateDirectory"] == "oakum/watch"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("100%", "100%%"),
        ("it's", '"it\'s"'),
        ('say "x"', r'"say \"x\""'),
        (r"\x41", r'"\\x41"'),
        ("$HOME", '"$$HOME"'),
        ("two\nlines", r'"two\nlines"'),
        ("", '""'),
    ],
)
def test_words_are_written_as_systemd_reads_them(word, written):
    assert f"ExecStart=/usr/bin/oakum {written}\n" in unit_text(["/usr/bin/oakum", word])


def test_an_archive_elsewhere_may_be_written_to():
    assert 'ReadWritePaths="/srv/my $oakum"\n' in unit_text(["/usr/bin/oakum"], "/srv/my $oakum")
    unit = parsed(unit_text(["/usr/bin/oakum"], "/srv/oakum"))
    assert unit["Service"]["ReadWritePaths"] == "/srv/oakum"
    assert "StateDirectory" not in unit["Service"]


def test_the_steps_name_the_unit():
    command = ["/usr/bin/oakum", "watch", "--notify", "cmd:log it"]
    assert install_steps(command)[0] == f"/usr/bin/oakum watch --notify 'cmd:log it' --install > {UNIT_PATH}"
    assert install_steps(command, "/srv/oakum")[1] == "mkdir -p -m 0700 /srv/oakum"
