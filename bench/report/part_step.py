"""Whole training and sampling steps, imago and PyTorch taking turns, after a check that both compute the same."""
import json
import os
import pathlib
import statistics
import time

import machine
from part_build import program
from part_kernels import environment
from processes import Server, run

TWIN = pathlib.Path(__file__).with_name("twin.py")
# The settings of both sides.
OURS = {"cuda": ["tf32", "tf32+graph", "bf16", "bf16+graph"], "cpu": ["f32"], "simt": ["f32", "f32+graph", "bf16"]}
THEIRS = {"cuda": ["tf32", "bf16", "bf16+reduce-overhead", "bf16+max-autotune"], "cpu": ["f32", "f32-nchw"], "simt": []}
ROUNDS = {"cuda": 9, "cpu": 5, "simt": 1}
SAMPLE_SECONDS = {"cuda": 0.1, "cpu": 0.05, "simt": 0.0}
CASES = ["step", "forward", "forward+backward", "optimizer", "sample"]


def check(context, workload, deadline):
    """The twin's distance from imago in f32."""
    probe = context.scratch / "probe.safetensors"
    batch = ["--batch", 2, "--workload", workload]
    wrote = run([program(context.build, "bench_step"), "--device", context.device, "--precision", "f32", "--probe",
                 probe, *batch], deadline)
    if not wrote.good:
        return {"failed": wrote.why()}
    device = "cuda" if context.device == "cuda" else "cpu"
    compared = run([context.python, TWIN, "--device", device, "--check", probe, "--workload", workload], deadline)
    probe.unlink()
    return json.loads(compared.output.splitlines()[-1]) if compared.good else {"failed": compared.why()}


def agrees(comparison):
    return "failed" not in comparison and max(comparison["output"], comparison["gradients"]) < 1e-3


def start_all(context, workload, batch, torch, deadline):
    """Those that are ready, and why others are not. What torch.compile compiles, it compiles side by side."""
    arguments = ["--workload", workload, "--batch", str(batch)]
    servers, compiling = [], []
    for setting in OURS[context.device]:
        precision, _, graph = setting.partition("+")
        command = [program(context.build, "bench_step"), "--device", context.device, "--precision", precision]
        servers.append(Server(f"imago {setting}", command + arguments + (["--graph"] if graph else [])))
        servers[-1].wait_for("ready", deadline)
    for setting in THEIRS[context.device] if torch else []:
        device = "cuda" if context.device == "cuda" else "cpu"
        command = [context.python, TWIN, "--device", device, "--setting", setting]
        server = Server(f"torch {setting}", command + arguments)
        servers.append(server)
        if "+" in setting:
            compiling.append(server)
        else:
            server.wait_for("ready", deadline)
    patience = deadline - 0.3 * max(0, deadline - time.monotonic())  # the rest is for measuring
    for server in compiling:
        server.wait_for("ready", patience)
    return servers


def measure(context, servers, deadline, note):
    """{name: {case: [seconds]}}: every contestant in turn, then the next round."""
    samples = {server.name: {} for server in servers}
    repetitions = {}
    for _ in range(ROUNDS[context.device]):
        for case in CASES:
            for server in servers:
                if server.failed or case not in server.ready["cases"] or time.monotonic() > deadline - 1:
                    continue
                key = (server.name, case)
                if key not in repetitions:
                    once = server.ask(f"{case} 1", deadline)
                    repetitions[key] = max(1, round(SAMPLE_SECONDS[context.device] / once)) if once else 1
                seconds = server.ask(f"{case} {repetitions[key]}", deadline)
                if seconds:
                    samples[server.name].setdefault(case, []).append(seconds)
        note(samples)
    return samples


def summary(server, samples, peak):
    said = server.ready or {}
    return {"name": server.name, "parameters": said.get("parameters"), "batch": said.get("batch"),
            "first_step_seconds": server.first_step, "peak_bytes": peak, "failed": server.failed,
            "seconds": {case: statistics.median(values) for case, values in samples.items()}, "samples": samples}


def run_workload(context, workload, batch, torch, deadline, this, keep):
    if torch:
        this["check"] = check(context, workload, deadline)
        keep()
        if not agrees(this["check"]):
            this["left_out"] = "the twin does not agree with imago, so PyTorch is not timed"
            torch = ""
    servers = start_all(context, workload, batch, torch, deadline)
    try:
        def note(samples):
            this["contestants"] = [summary(s, samples.get(s.name, {}), None) for s in servers]
            keep()

        ready = [server for server in servers if server.ready and not server.failed]
        samples = measure(context, ready, deadline, note)
        peaks = {s.name: s.ask("memory", deadline) for s in ready if not s.failed}
        this["contestants"] = [summary(s, samples.get(s.name, {}), peaks.get(s.name)) for s in servers]
    finally:
        for server in servers:
            server.close()
    keep()


def run_part(context, store, deadline):
    torch = machine.torch_version(context.python) if THEIRS[context.device] else ""
    result = {"torch": torch, "workloads": []}
    if not program(context.build, "bench_step"):
        result["failed"] = "bench_step was not built"
        return store.put("step", result)
    if THEIRS[context.device] and not torch:
        result["absent"] = f"{context.python} has no PyTorch"
    for i, (workload, batch) in enumerate(context.workloads):
        # The first gets the most: compiling it takes longest.
        left = deadline - time.monotonic()
        until = deadline if i + 1 == len(context.workloads) else time.monotonic() + 0.7 * left
        this = {"workload": workload, "contestants": []}
        result["workloads"].append(this)
        run_workload(context, workload, batch, torch, until, this, lambda: store.put("step", result))
