"""The layers of the networks one by one: against the device's ceilings, cuDNN and cuBLAS."""
import json
import os
import time

import machine
from part_build import program
from processes import run

# The most telling first; the others are measured in the time that is left.
PRECISIONS = {"cuda": ["bf16", "tf32"], "cpu": ["f32"], "simt": ["bf16", "f32"]}
SAMPLES = {"cuda": 15, "cpu": 5, "simt": 1}


def environment(context):
    """Where the loader finds cuDNN and cuBLAS."""
    env = dict(os.environ)
    folders = machine.library_folders(context.python) if context.device == "cuda" else []
    if folders:
        env["LD_LIBRARY_PATH"] = ":".join(folders + [env.get("LD_LIBRARY_PATH", "")]).strip(":")
    return env


def ceilings(context, store, deadline):
    """Measures them once; others take them from the store."""
    if store.get("ceilings") or not program(context.build, "bench_ceilings"):
        return
    path = context.scratch / "ceilings.json"
    outcome = run([program(context.build, "bench_ceilings"), "--device", context.device, "--samples",
                   str(SAMPLES[context.device]), "--json", path], deadline, environment(context))
    store.put("ceilings", json.loads(path.read_text()) if outcome.good else {"failed": outcome.why()})


def runs(context):
    """(workload, precision, batch) of everything that is measured."""
    return [(workload, precision, batch) for workload, batch in context.workloads
            for precision in PRECISIONS[context.device]]


def run_part(context, store, deadline):
    ceilings(context, store, deadline)
    result = {"runs": []}
    layers = program(context.build, "bench_layers")
    if not layers:
        result["failed"] = "bench_layers was not built"
        return store.put("kernels", result)
    env = environment(context)
    for workload, precision, batch in runs(context):
        if time.monotonic() > deadline - 1:
            result["runs"].append({"workload": workload, "precision": precision, "layers": [],
                                   "failed": "no time left"})
            store.put("kernels", result)
            continue
        this = {"workload": workload, "precision": precision, "layers": []}
        result["runs"].append(this)

        def note(line):
            if not line.startswith("{"):
                return
            said = json.loads(line)
            if "workload" in said:
                this["header"] = said
            else:
                this["layers"].append(said)
            store.put_now_and_then("kernels", result)

        outcome = run([layers, "--json-lines", "--device", context.device, "--workload", workload, "--precision",
                       precision, "--batch", batch, "--samples", SAMPLES[context.device]], deadline, env, on_line=note)
        if not outcome.good:
            this["failed"] = outcome.why()
        store.put("kernels", result)
