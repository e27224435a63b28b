"""Where the time of one training step goes."""
import json
import time

from part_build import program
from part_kernels import ceilings
from processes import run

RUNS = {
    "cuda": [("butterflies", "bf16", 0), ("butterflies", "tf32", 0), ("mnist", "tf32", 0)],
    "cpu": [("mnist", "f32", 0), ("butterflies", "f32", 2)],
    "simt": [("tiny", "f32", 0), ("tiny", "bf16", 0)],
}
STEPS = {"cuda": 9, "cpu": 3, "simt": 1}


def run_part(context, store, deadline):
    ceilings(context, store, deadline)
    result = {"runs": []}
    profile = program(context.build, "bench_profile")
    if not profile:
        result["failed"] = "bench_profile was not built"
        return store.put("profile", result)
    for workload, precision, batch in RUNS[context.device]:
        path = context.scratch / "profile.json"
        path.unlink(missing_ok=True)
        outcome = run([profile, "--device", context.device, "--workload", workload, "--precision", precision, "--batch",
                       batch, "--steps", STEPS[context.device], "--json", path], deadline)
        result["runs"].append(json.loads(path.read_text()) if outcome.good else
                              {"workload": workload, "precision": precision, "failed": outcome.why()})
        store.put("profile", result)
        if time.monotonic() > deadline:
            break
