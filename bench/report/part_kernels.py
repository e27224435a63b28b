"""The layers of the networks one by one: against the device's ceilings, cuDNN and cuBLAS."""
import json
import os
import time

import machine
from part_build import program
from processes import run

# What runs on each device: (workload, precision, batch), the most telling first; a batch of 0 is the workload's own.
RUNS = {
    "cuda": [("butterflies", "bf16", 0), ("butterflies", "tf32", 0), ("mnist", "bf16", 0), ("mnist", "tf32", 0)],
    "cpu": [("mnist", "f32", 0), ("butterflies", "f32", 2)],
    "simt": [("tiny", "bf16", 0), ("tiny", "f32", 0)],
}
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


def run_part(context, store, deadline):
    ceilings(context, store, deadline)
    result = {"runs": []}
    layers = program(context.build, "bench_layers")
    if not layers:
        result["failed"] = "bench_layers was not built"
        return store.put("kernels", result)
    env = environment(context)
    for workload, precision, batch in RUNS[context.device]:
        if time.monotonic() > deadline - 1:
            result["runs"].append({"workload": workload, "precision": precision, "layers": [], "failed": "no time left"})
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
