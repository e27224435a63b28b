"""Programs with a deadline, each in a process group of its own, so that a cut-off leaves none behind."""
import json
import os
import queue
import signal
import subprocess
import threading
import time


class CutOff(Exception):
    """The whole report was told to stop."""


def stop_on_signals():
    def stop(number, _):
        for later in (signal.SIGTERM, signal.SIGINT):
            signal.signal(later, signal.SIG_IGN)  # what is left to do is short
        raise CutOff(signal.Signals(number).name)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


RUNNING = set()  # what is to be killed when the report is cut off


def kill_all():
    for process in list(RUNNING):
        kill_group(process)


def kill_group(process):
    RUNNING.discard(process)
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


class Outcome:
    def __init__(self, code, seconds, output, timed_out):
        self.code, self.seconds, self.output, self.timed_out = code, seconds, output, timed_out

    @property
    def good(self):
        return self.code == 0 and not self.timed_out

    def why(self):
        """One line: what went wrong."""
        if self.timed_out:
            return f"cut off after {self.seconds:.0f} s"
        lines = [line for line in self.output.strip().splitlines() if line.strip()]
        return f"exit code {self.code}" + (f": {lines[-1].strip()[:300]}" if lines else "")


def run(command, deadline, env=None, cwd=None, on_line=None):
    """Until it ends or time.monotonic() reaches `deadline`. on_line sees each line of its standard output at once; all
    that it prints is kept."""
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True)
    RUNNING.add(process)
    lines = Lines(process.stdout)
    kept, timed_out = [], False
    try:
        while True:
            line = lines.next(deadline)
            if line is None:
                break
            if line == "":
                timed_out = True
                break
            kept.append(line)
            if on_line:
                on_line(line)
        if not timed_out:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                timed_out = True
    finally:
        kill_group(process)
    return Outcome(process.returncode, time.monotonic() - start, "".join(kept), timed_out)


class Lines:
    """Lines of a pipe, to be waited for with a deadline."""

    def __init__(self, pipe):
        self.queue = queue.Queue()
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    def _read(self, pipe):
        for line in pipe:
            self.queue.put((time.monotonic(), line))
        self.queue.put((time.monotonic(), None))

    def next(self, deadline):
        """None at the end, "" at the deadline."""
        return self.next_with_time(deadline)[1]

    def next_with_time(self, deadline):
        try:
            return self.queue.get(timeout=max(0.01, deadline - time.monotonic()))
        except queue.Empty:
            return time.monotonic(), ""


class Server:
    """A program that answers orders line by line, such as bench_step."""

    def __init__(self, name, command, env=None):
        self.name, self.log = name, []
        self.start = time.monotonic()
        self.process = subprocess.Popen([str(c) for c in command], env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                        start_new_session=True)
        RUNNING.add(self.process)
        self.lines = Lines(self.process.stdout)
        self.first_step, self.ready, self.failed = None, None, None

    def wait_for(self, event, deadline):
        """Whether the event came in time; else self.failed says why not."""
        while not self.failed:
            when, line = self.lines.next_with_time(deadline)
            if not line:
                self.failed = self._why(ended=line is None)
                break
            self.log.append(line)
            if not line.startswith('{"'):
                continue
            said = json.loads(line)
            if said.get("event") == "first step":
                self.first_step = when - self.start
            if said.get("event") == "ready":
                self.ready = said
            if said.get("event") == event:
                return True
        self.close()
        return False

    def _why(self, ended):
        if not ended:
            return f"not ready after {time.monotonic() - self.start:.0f} s"
        words = [line.strip() for line in self.log if line.strip()]
        return "ended" + (f": {words[-1][:300]}" if words else "")

    def ask(self, order, deadline):
        """The number it answers, or None."""
        try:
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended, which the answer tells
        while not self.failed:
            line = self.lines.next(deadline)
            if not line:
                self.failed = self._why(ended=True) if line is None else "the time was up before all samples were taken"
                break
            self.log.append(line)
            try:
                return float(line)
            except ValueError:
                continue  # a warning
        self.close()
        return None

    def close(self):
        kill_group(self.process)
