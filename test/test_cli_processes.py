"""Child processes that end with their parent."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest
from squeezedet_ros.cli.processes import Children, signals_as_interrupt

SLEEP = 'import time; print("up", flush=True); time.sleep(600)'
DEAF = f'import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {SLEEP}'
PARENT = f'import subprocess, sys; subprocess.Popen([sys.executable, "-c", {SLEEP!r}]); {SLEEP}'


def start(children, code, name='child'):
    child = children.start(name, [sys.executable, '-c', code])
    give_up = time.monotonic() + 30
    while 'up' not in child.last_words():
        assert time.monotonic() < give_up
        time.sleep(0.02)
    return child


def group_is_alive(child):
    try:
        os.killpg(child._process.pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize('code', [SLEEP, PARENT])
def test_processes_and_theirs_end_with_the_block(tmp_path, code):
    with Children(tmp_path) as children:
        child = start(children, code)
        assert child.exit_status is None
        assert child.memory_mib() > 1
    assert child.exit_status is not None
    assert child.memory_mib() is None
    # The orphan of a killed group is reaped by init, in its own time.
    give_up = time.monotonic() + 10
    while group_is_alive(child) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not group_is_alive(child)


def test_the_processor_time_is_that_of_the_process(tmp_path):
    busy = f'import time\nwhile time.process_time() < 0.5: pass\n{SLEEP}'
    with Children(tmp_path) as children:
        child = start(children, busy, 'with a name) 1 2 3')
        spent = child.cpu_seconds()
        time.sleep(0.3)
        assert child.cpu_seconds() - spent <= 0.1
    assert 0.48 <= spent <= 1
    assert child.cpu_seconds() is None


def test_a_process_that_does_not_listen_is_ended_firmly(tmp_path, monkeypatch):
    monkeypatch.setattr('squeezedet_ros.cli.processes._PATIENCE', 0.3)
    with Children(tmp_path) as children:
        child = start(children, DEAF)
    assert child.exit_status == -signal.SIGTERM


def test_an_error_in_the_block_ends_them_too(tmp_path):
    children = Children(tmp_path)
    with pytest.raises(KeyboardInterrupt), children:
        raise_after_start(children)
    assert all(child.exit_status is not None for child in children._children)


def raise_in_main(number):
    os.kill(os.getpid(), number)
    time.sleep(30)


def raise_after_start(children):
    start(children, SLEEP)
    raise_in_main(signal.SIGINT)


def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    path = str(tmp_path)
    parent = f"""
from pathlib import Path
import sys, time
from squeezedet_ros.cli.processes import Children
with Children(Path({path!r})) as children:
    child = children.start('grandchild', [sys.executable, '-c', {SLEEP!r}])
    while 'up' not in child.last_words():
        time.sleep(0.02)
    print(child._process.pid, flush=True)
    time.sleep(600)
"""
    command = [sys.executable, '-c', parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        grandchild = int(process.stdout.readline())
        process.kill()
    give_up = time.monotonic() + 30
    while is_running(grandchild):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def is_running(number):
    try:
        stat = Path(f'/proc/{number}/stat').read_text()
    except FileNotFoundError:
        return False
    # A zombie waits for init to take note of it.
    return stat.rpartition(')')[2].split()[0] != 'Z'


def test_the_last_lines_are_kept(tmp_path):
    with Children(tmp_path) as children:
        child = children.start('child', [sys.executable, '-c', 'print(*range(50), sep="\\n")'])
        child._process.wait(30)
        assert child.last_words().splitlines() == [str(number) for number in range(30, 50)]


def test_a_request_to_end_unwinds_like_an_interrupt():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        raise_in_main(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_who_was_told_to_outlive_its_terminal_does():
    """As nohup tells it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_interrupt():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        raise_in_main(signal.SIGHUP)
