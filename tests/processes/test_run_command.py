"""`oakum run` with real commands, real signals, real limits."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oakum.host import cgroup
from oakum.host.tree import descendants, start_ticks

OAKUM = [sys.executable, "-m", "oakum", "run"]
PYTHON = sys.executable
SECONDS = 60.0


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def start(archive):
    """Starts `oakum run`; whatever of it still runs at the end of the test is killed."""
    running = []

    def start(*words, **given):
        command = [*OAKUM, "--archive", str(archive), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **given)
        running.append(process)
        return process

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=SECONDS)


@pytest.fixture
def run(start):
    def run(*words, **given):
        process = start(*words, **given)
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out, err

    return run


def until(condition):
    """Waits for a condition that another process brings about, and gives its value."""
    deadline = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to that"
        select.select([], [], [], 0.005)
    return value


def gone(pid):
    return start_ticks(pid) is None


def runs(archive):
    lines = (archive / "runs.jsonl").read_text().splitlines()
    return {each["run"]: each for each in map(json.loads, lines)}


def python(code):
    return ["--", PYTHON, "-c", code]


def shell(script):
    """For what must be under way before a time limit strikes: a shell is there in a few milliseconds."""
    return ["--", "sh", "-c", script]


# The command's own end


def test_a_command_that_ends_well_is_not_heard_of(run, archive):
    assert run(*python("import time; print('done'); time.sleep(0.5)")) == (0, "", "")  # long enough to be looked at
    [only] = runs(archive).values()
    assert (only["reason"], only["status"]) == ("finished", 0)
    assert only["command"][0] == PYTHON
    assert only["seconds"] > 0
    assert only["peak_bytes"] > 0


def test_a_failure_shows_its_output_and_keeps_its_status(run):
    status, out, err = run(*python("import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"))
    assert (status, out) == (3, "")
    assert err.splitlines()[:2] in (["one", "two"], ["two", "one"])
    assert "failed with status 3" in err.splitlines()[2]


def test_a_signal_that_ends_it_gives_a_shells_status(run):
    status, _, err = run(*python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert status == 139
    assert "ended by SIGSEGV" in err


def test_only_the_end_of_much_output_is_kept(run):
    status, _, err = run("--output", "1KiB", *python("for n in range(100_000): print(n)\nraise SystemExit(1)"))
    assert status == 1
    assert len(err) < 1500
    assert "99999\n" in err
    assert err.startswith("[the first ")


def test_output_may_pass_through(run):
    assert run("--output", "pass", *python("print('hello')"))[:2] == (0, "hello\n")


def test_the_command_reads_standard_input(run, tmp_path):
    (tmp_path / "in").write_text("from cron")
    with open(tmp_path / "in") as given:
        assert run("--output", "pass", *python("print(input())"), stdin=given)[:2] == (0, "from cron\n")


def test_words_that_look_like_options_belong_to_the_command(run):
    assert run("--output", "pass", "--", PYTHON, "-c", "import sys; print(sys.argv[1:])", "--timeout", "--", "-x")[
        1
    ] == ("['--timeout', '--', '-x']\n")


def test_no_shell_reads_the_command(run, tmp_path):
    word = f"$(touch {tmp_path}/broken); `touch {tmp_path}/broken` > {tmp_path}/broken"
    assert run("--output", "pass", "--", "echo", word)[1] == word + "\n"
    assert not (tmp_path / "broken").exists()


# Limits


def test_the_time_limit_ends_the_whole_tree_daemons_in_their_own_sessions_included(run, tmp_path):
    daemon = f"(setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' &); exec sleep 600"
    status, _, err = run("--timeout", "1s", *shell(daemon))
    assert status == 124
    assert "ended at its time limit of 1.00 s" in err
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_ignores_sigterm_is_killed_after_the_grace(run):
    status, _, err = run("--timeout", "1s", "--grace", "100ms", *shell("trap '' TERM; exec sleep 600"))
    assert status == 137
    assert "ended at its time limit" in err


def test_a_command_has_its_grace_to_end_in_good_order(run, tmp_path):
    tidy = f"trap 'echo yes > {tmp_path}/tidy; exit' TERM; while :; do sleep 600 & wait; done"
    assert run("--timeout", "1s", *shell(tidy))[0] == 124
    assert (tmp_path / "tidy").read_text() == "yes\n"


def test_the_memory_limit_counts_the_whole_tree(run, archive):
    """Neither process alone comes near the limit; both together pass it."""
    two = (
        "import os, time\n"
        "child = os.fork()\n"
        "kept = b'x' * 60_000_000\n"
        "time.sleep(600)\n"
    )  # fmt: skip
    status, _, err = run("--memory", "100MiB", *python(two))
    assert status == 137
    assert "killed at its memory limit of 100 MiB" in err
    [only] = runs(archive).values()
    assert only["reason"] == "over-memory"


def test_pages_that_processes_share_are_counted_once(run):
    """Four processes show 70 MB each, and hold 70 MB together."""
    shared = (
        "import os\n"
        "kept = b'x' * 60_000_000\n"
        "children = [os.fork() for _ in range(2)]\n"
        "import time; time.sleep(0.5)\n"
        "os._exit(0) if 0 in children else [os.wait() for _ in children]\n"
    )
    assert run("--memory", "150MiB", *python(shared)) == (0, "", "")


def test_with_rlimit_the_allocation_fails_inside_the_command(run):
    status, _, err = run("--memory", "100MiB", "--rlimit", *python("b'x' * 300_000_000"))
    assert status == 1
    assert "MemoryError" in err
    assert "memory held by rlimit and meter" in err


def test_what_is_left_behind_is_ended_and_told(run, tmp_path, archive):
    leaver = f"import subprocess; p = subprocess.Popen(['sleep', '600']); open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); p.returncode = 0"
    status, _, err = run(*python(leaver))
    assert status == 0
    assert "1 left behind, ended" in err
    assert gone(int((tmp_path / "pid").read_text()))
    [only] = runs(archive).values()
    assert only["left_behind"] == 1


# Its own end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_oakum_run_ends_the_tree(start, tmp_path, number):
    pid_file = tmp_path / "pid"
    process = start(*python(f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"))
    pid = int(until(lambda: pid_file.exists() and pid_file.read_text()))
    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert "oakum run was told to end" in err
    assert gone(pid)


def test_the_command_does_not_outlive_a_killed_oakum_run(start, tmp_path):
    pid_file = tmp_path / "pid"
    process = start(*python(f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"))
    pid = int(until(lambda: pid_file.exists() and pid_file.read_text()))
    process.kill()
    until(lambda: gone(pid))


def test_what_a_killed_oakum_run_leaves_behind_is_ended_by_the_next(start, run, archive, tmp_path):
    pid_file = tmp_path / "pid"
    daemon = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    code = f"import subprocess, time; subprocess.Popen([{PYTHON!r}, '-c', {daemon!r}], start_new_session=True); time.sleep(600)"
    process = start("--memory", "500MiB", *python(code))
    pid = int(until(lambda: pid_file.exists() and pid_file.read_text()))
    groups, others = cgroup_of(pid), [each for each in descendants(process.pid) if each != pid]
    process.kill()
    process.wait()
    until(lambda: all(gone(each) for each in others))
    assert not gone(pid)
    assert [name.name.partition("-")[0] for name in (archive / "running").iterdir()] == [str(process.pid)]
    assert run(*python("")) == (0, "", "oakum run: ended 1 process that a killed run had left behind\n")
    until(lambda: gone(pid))
    assert list((archive / "running").iterdir()) == []
    assert not any(path.exists() for path in groups)


def cgroup_of(pid):
    """The directories that `oakum run` made for the kernel's limit on this process, where it could."""
    hierarchy = cgroup.find()
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    paths = [line.split(":", 2)[2] for line in lines]
    return [Path(hierarchy.mount + path) for path in paths if "/oakum-run-" in path] if hierarchy is not None else []


def test_a_run_that_goes_on_is_left_alone_by_others(holder, run):
    _, pid = holder
    assert run(*python("")) == (0, "", "")
    assert not gone(pid)


# One at a time


@pytest.fixture
def holder(start, tmp_path):
    """A run that holds the lock `poll`, and the pid of its command."""
    pid_file = tmp_path / "holder"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    process = start("--lock", "poll", *python(code))
    return process, int(until(lambda: pid_file.exists() and pid_file.read_text()))


def test_while_one_runs_the_next_skips_in_silence(holder, run, archive, tmp_path):
    assert run("--lock", "poll", *python(f"open({str(tmp_path / 'second')!r}, 'w')")) == (75, "", "")
    assert not (tmp_path / "second").exists()
    assert [each["reason"] for each in runs(archive).values() if "reason" in each] == ["busy"]


def test_kill_old_ends_the_older_run_and_takes_its_place(holder, run):
    older, pid = holder
    assert run("--lock", "poll", "--on-busy", "kill-old", "--output", "pass", *python("print('mine')"))[:2] == (
        0,
        "mine\n",
    )
    assert gone(pid)
    assert older.wait(timeout=SECONDS) == 128 + signal.SIGTERM


def test_one_waits_and_a_further_one_skips(holder, start, run, archive):
    older, _ = holder
    waiting = start("--lock", "poll", "--on-busy", "wait", "--output", "pass", *python("print('my turn')"))
    until(lambda: _waits_for_lock(waiting.pid))
    assert run("--lock", "poll", "--on-busy", "wait", *python("print('never')"))[0] == 75
    older.terminate()
    out, _ = waiting.communicate(timeout=SECONDS)
    assert (waiting.returncode, out) == (0, "my turn\n")


def _waits_for_lock(pid):
    with open("/proc/locks") as file:
        return any("->" in line and f" {pid} " in line for line in file)


# Wrong use


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--timeout", "3x", "--", "true"], 2, "--timeout: '3x' is not a duration"),
        (["--memory", "lots", "--", "true"], 2, "--memory: 'lots' is not a size"),
        (["--lock", "../x", "--", "true"], 2, "--lock: '../x' is not a name"),
        (["--nice", "-5", "--", "true"], 2, "--nice: -5 is not from 0 to 19"),
        ([], 2, "oakum: run: no command; write it after --"),
        (["--on-busy", "wait", "--", "true"], 2, "--on-busy wait: busy with what?"),
        (["--memory", "5", "--", "true"], 2, "--memory 5: less than any program needs"),
        (["--", "/nowhere/to/be/found"], 127, "/nowhere/to/be/found: no such command"),
        (["--", "/etc/passwd"], 126, "/etc/passwd: cannot be executed"),
        (["--install-cron", "/nowhere/to/be/found"], 2, "--install-cron: /nowhere/to/be/found: No such file"),
    ],
)
def test_wrong_use_is_one_line(run, words, status, line):
    code, out, err = run(*words)
    assert (code, out) == (status, "")
    assert line in err
    assert err.count("\n") == 1


def test_a_run_that_cannot_be_recorded_runs_nevertheless(run, archive):
    archive.write_text("a file where the directory should be")
    status, _, err = run(*python("pass"))
    assert status == 0
    assert "this run could not be recorded" in err


def test_nice_is_for_the_command(run):
    assert run("--nice", "7", "--output", "pass", *python("import os; print(os.nice(0))"))[1] == "7\n"


def test_install_cron_shows_a_diff_that_patch_accepts(run, tmp_path):
    crontab = tmp_path / "crontab"
    crontab.write_text("MAILTO=x\n*/5 * * * * poll --all >> /tmp/log 2>&1\n* * * * * a | b\n")
    status, diff, notes = run("--install-cron", str(crontab), "--memory", "200MiB")
    assert status == 0
    assert "line 3 stays: more than one simple command" in notes
    before = crontab.read_text()
    subprocess.run(["patch", str(crontab)], input=diff, text=True, check=True, capture_output=True)
    assert before != crontab.read_text()
    assert "--timeout 5m --memory 200MiB --lock poll-" in crontab.read_text()
    assert "--output pass -- poll --all >> /tmp/log 2>&1" in crontab.read_text()


def test_install_cron_leaves_bytes_line_ends_and_a_missing_last_newline_as_they_are(tmp_path):
    crontab = tmp_path / "crontab"
    before = b"# \xe4\xf6\nSHELL=/bin/bash\n1 * * * * caf\xe9 --all\r\n2 * * * * a\x0cb\n3 * * * * date +\\%F\n4 * * * * last"
    crontab.write_bytes(before)
    shown = subprocess.run([*OAKUM, "--install-cron", str(crontab)], check=True, capture_output=True)
    subprocess.run(["patch", "--binary", str(crontab)], input=shown.stdout, check=True, capture_output=True)
    after = crontab.read_bytes()
    assert after.count(b" -- ") == 4
    assert re.sub(rb"\S*oakum run [^\n]*? -- ", b"", after) == before
