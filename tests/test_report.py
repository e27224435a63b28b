#!/usr/bin/env python3
"""bench/report, rehearsed on the emulator: what it writes, that it says what it left out, and that a signal leaves
whole files and no processes behind.

    test_report.py SOURCE_FOLDER BUILD_FOLDER
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import xml.etree.ElementTree

root, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
MARK = uuid.uuid4().hex  # in the environment of everything that is started here


def report(out, parts, *more):
    return [sys.executable, str(root / "bench" / "report"), "--device", "simt", "--build", str(build),
            "--out", str(out), "--parts", parts, *more]


def environment():
    return dict(os.environ, IMAGO_REPORT_TEST=MARK)


def expect(condition, what):
    if not condition:
        raise SystemExit(f"test_report: {what}")


def our_processes():
    """Programs with the mark in their environment, other than this one."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if MARK.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass  # ended, or another user's
    return found


def load(out, part):
    return json.loads((out / f"{part}.json").read_text())


def check_whole_report(out):
    run = subprocess.run(report(out, "test,profile,step,kernels", "--tests", "test_softmax,test_shape"),
                         env=environment(), capture_output=True, text=True, timeout=900)
    expect(run.returncode == 0, f"the report failed: {run.stdout}{run.stderr}")

    tests = load(out, "test")["files"]
    expect(sorted(tests) == ["test_shape", "test_softmax"], f"files of tests: {sorted(tests)}")
    expect(all(f["tests"] > 0 and not f["failures"] and "broken" not in f for f in tests.values()), f"tests: {tests}")

    profile = load(out, "profile")["runs"]
    for one in profile:
        kinds = {kind["name"]: kind for kind in one["kinds"]}
        expect(kinds["conv2d_forward"]["flops"] > 0 and kinds["group_norm_forward"]["bytes"] > 0, f"work of {kinds}")
        expect(sum(kind["launches"] for kind in one["kinds"]) == one["launches"], "launches do not add up")
    expect(load(out, "ceilings")["copy"]["per_second"] > 0, "no bandwidth")

    contestants = load(out, "step")["workloads"][0]["contestants"]
    cases = {c["name"]: set(c["seconds"]) for c in contestants}
    expect(cases == {"imago f32": {"forward", "forward+backward", "sample", "step"},
                     "imago f32+graph": {"sample", "step"}, "imago bf16": {"forward", "forward+backward", "sample", "step"}},
           f"cases: {cases}")
    expect(all(c["failed"] is None and c["first_step_seconds"] > 0 for c in contestants), f"failed: {contestants}")

    for one in load(out, "kernels")["runs"]:
        expect("failed" not in one, f"{one.get('failed')}")
        expect(len(one["layers"]) == one["header"]["layers"] > 50, f"{len(one['layers'])} layers")
        wrong = [layer for layer in one["layers"] if "imago" not in layer]
        expect(not wrong, f"wrong layers: {wrong}")
        expect(all("no_yardstick" in layer for layer in one["layers"]), "a yardstick on the emulator")

    page = (out / "report.md").read_text()
    for words in ("say nothing about any GPU", "## A training step", "## Where the time", "## The layers one by one",
                  "in 2 of 2 files, 0 failed", "cuDNN and cuBLAS are for GPUs"):
        expect(words in page, f"the page lacks: {words}")
    for name in ("step", "profile", "kernels"):
        expect(f"({name}.svg)" in page, f"the page does not show {name}.svg")
        expect(xml.etree.ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg"), f"{name}.svg")


def check_cut_off(out):
    """SIGTERM once the first part is there and another runs."""
    process = subprocess.Popen(report(out, "profile,step,kernels"), env=environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if line.startswith("step:"):
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    rest = process.communicate(timeout=60)[0]
    expect(process.returncode == 1, f"exit code {process.returncode}: {rest}")
    expect(time.monotonic() - began < 30, "it took long to stop")
    states = load(out, "machine")["parts"]
    expect(states["profile"]["state"] == "finished" and "SIGTERM" in states["step"]["state"], f"states: {states}")
    expect(load(out, "profile")["runs"], "the finished part is gone")
    expect(not (out / "kernels.json").exists(), "a part began after the signal")
    expect("cut off by SIGTERM" in (out / "report.md").read_text(), "the page does not say that it was cut off")
    expect(not list(out.glob("*.part")), "half a file was left")
    expect(not our_processes(), f"still running: {our_processes()}")


def check_time_limit(out):
    """With no time at all every part still writes what it has: that it has nothing."""
    run = subprocess.run(report(out, "test,kernels", "--seconds", "0", "--tests", "test_conv2d"), env=environment(),
                         capture_output=True, text=True, timeout=300)
    expect(run.returncode == 0, f"{run.stdout}{run.stderr}")
    expect("broken" in load(out, "test")["files"]["test_conv2d"], "a long test ran in no time")
    expect("no time left" in (out / "report.md").read_text(), "the page does not say what is missing")


def check_yardsticks():
    """Whatever can be opened here, whatever is missing: a sentence each, no crash."""
    run = subprocess.run([build / "bench" / "bench_ceilings", "--yardsticks"], capture_output=True, text=True,
                         timeout=300)
    lines = run.stdout.splitlines()
    expect(run.returncode == 0 and len(lines) == 2, f"yardsticks: {run}")
    expect(all(line.startswith(("cuDNN ", "cuBLAS ", "absent: ")) for line in lines), f"yardsticks: {lines}")


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    check_yardsticks()
    check_whole_report(folder / "whole")
    check_cut_off(folder / "cut")
    check_time_limit(folder / "short")
print("the report holds what it should")
