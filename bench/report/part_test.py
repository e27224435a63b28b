"""Runs the whole test suite on the device, one process per file of tests, and a short list under compute-sanitizer."""
import concurrent.futures
import os
import pathlib
import shutil
import tempfile
import time
import xml.etree.ElementTree

import machine
from part_build import program
from processes import CutOff, kill_all, run

SANITIZED = ["test_softmax", "test_sum", "test_group_norm"]
PROCESSES_ON_GPU = 8


def test_environment(device):
    return dict(os.environ, IMAGO_TEST_DEVICE=device, IMAGO_CUDA_MANAGED="1" if device == "cuda" else "0")


def read_junit(path):
    """Tests, and those that failed with their first message."""
    tests, failures = 0, []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        tests += 1
        for problem in list(case.findall("failure")) + list(case.findall("error")):
            failures.append({"name": case.get("name"), "message": (problem.text or "").strip()[:600]})
            break
    return {"tests": tests, "failures": failures}


def run_file(tests, name, env, deadline):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "junit.xml"
        outcome = run([tests, "-#", f"[#{name}]", "-r", "junit", "-o", report], deadline, env)
        result = {"seconds": outcome.seconds}
        try:
            result.update(read_junit(report))
        except (OSError, xml.etree.ElementTree.ParseError):
            result.update({"tests": 0, "failures": []})
        skipped = outcome.code == 77
        if skipped or outcome.timed_out or (not outcome.good and not result["failures"]):
            result["broken"] = outcome.output.strip()[-300:] if skipped else outcome.why()
        return result


def run_part(context, store, deadline):
    result = {"files": {}, "sanitizer": {}}
    tests = program(context.build, "imago_tests")
    if not tests:
        result["failed"] = "imago_tests was not built"
        return store.put("test", result)
    names = sorted(path.stem for path in (context.root / "tests").glob("test_*.cpp"))
    if context.tests:
        names = [name for name in names if name in context.tests]
    result["wanted"] = len(names)
    env = test_environment(context.device)
    workers = min(machine.threads(), PROCESSES_ON_GPU) if context.device == "cuda" else machine.threads()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(run_file, tests, name, env, deadline): name for name in names}
        try:
            for done in concurrent.futures.as_completed(waiting):
                result["files"][waiting[done]] = done.result()
                store.put_now_and_then("test", result)
        except CutOff:
            pool.shutdown(wait=False, cancel_futures=True)
            kill_all()
            store.put("test", result)
            raise
    store.put("test", result)
    if context.device == "cuda":
        sanitize(context, tests, env, result, store, deadline)


def sanitize(context, tests, env, result, store, deadline):
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if not tool:
        result["sanitizer"]["absent"] = "compute-sanitizer is not installed"
        return store.put("test", result)
    for name in SANITIZED:
        if time.monotonic() > deadline - 2:
            break
        outcome = run([tool, "--tool", "memcheck", "--error-exitcode", "9", tests, "-#", f"[#{name}]"], deadline, env)
        result["sanitizer"][name] = "no error" if outcome.good else outcome.why()
        store.put("test", result)
