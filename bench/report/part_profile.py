"""Where the time of one training step goes."""
import json
import time

from part_build import program
from part_kernels import ceilings, runs
from processes import run

STEPS = {"cuda": 9, "cpu": 3, "simt": 1}


def run_part(context, store, deadline):
    ceilings(context, store, deadline)
    result = {"runs": []}
    profile = program(context.build, "bench_profile")
    if not profile:
        result["failed"] = "bench_profile was not built"
        return store.put("profile", result)
    for workload, precision, batch in runs(context):
        path = context.scratch / "profile.json"
        path.unlink(missing_ok=True)
        outcome = run([profile, "--device", context.device, "--workload", workload, "--precision", precision, "--batch",
                       batch, "--steps", STEPS[context.device], "--json", path], deadline)
        result["runs"].append(json.loads(path.read_text()) if outcome.good else
                              {"workload": workload, "precision": precision, "failed": outcome.why()})
        store.put("profile", result)
        if time.monotonic() > deadline:
            break
