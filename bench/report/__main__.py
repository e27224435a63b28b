"""Builds, tests and measures imago on one device and writes what comes of it, in figures, words and charts:

    python3 bench/report --device cuda --headers DIR       (or: make gpu-report HEADERS=DIR)

Each part (build, test, profile, step, kernels) writes its results as soon as it has them, so that a report which is
cut off, by its own time limit or by a signal, keeps everything up to there. Needs Python's standard library only.
"""
import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import machine  # noqa: E402
import page  # noqa: E402
import part_build  # noqa: E402
import part_kernels  # noqa: E402
import part_profile  # noqa: E402
import part_step  # noqa: E402
import part_test  # noqa: E402
from processes import CutOff, kill_all, stop_on_signals  # noqa: E402
from store import Store  # noqa: E402

# In this order. The shares of the time: what one part leaves, the next may have.
PARTS = {"build": (part_build, 0.42), "test": (part_test, 0.18), "profile": (part_profile, 0.05),
         "step": (part_step, 0.22), "kernels": (part_kernels, 0.13)}
# name:batch, 0 being the workload's own; the first one gets the charts.
WORKLOADS = {"cuda": "butterflies:0,mnist:0", "cpu": "mnist:0,butterflies:2", "simt": "tiny:0"}


def parse():
    p = argparse.ArgumentParser(prog="report", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", choices=["cuda", "cpu", "simt"], default="cuda")
    p.add_argument("--parts", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    p.add_argument("--build", help="build folder (build-report/DEVICE)")
    p.add_argument("--headers", help="folder with include/, where the packages imago builds with are not installed")
    p.add_argument("--out", help="folder for the results (bench/results/GPU)")
    p.add_argument("--seconds", type=float, default=530, help="time limit of the whole report")
    p.add_argument("--python", default=sys.executable, help="interpreter that has PyTorch")
    p.add_argument("--tests", default="", help="only these files of tests: test_softmax,test_sum")
    p.add_argument("--workloads", help="NAME:BATCH,... of butterflies, mnist, tiny, batch 0 for their own (" +
                   "; ".join(f"{device}: {names}" for device, names in WORKLOADS.items()) + ")")
    args = p.parse_args()
    args.workloads = [(name, int(batch or 0)) for name, _, batch in
                      (one.partition(":") for one in (args.workloads or WORKLOADS[args.device]).split(","))]
    args.root = pathlib.Path(__file__).resolve().parents[2]
    args.parts = args.parts.split(",")
    for part in args.parts:
        if part not in PARTS:
            p.error(f"--parts: there is no part {part}; there are {', '.join(PARTS)}")
    args.parts = [part for part in PARTS if part in args.parts]
    args.tests = args.tests.split(",") if args.tests else []
    args.build = pathlib.Path(args.build) if args.build else args.root / "build-report" / args.device
    args.machine = machine.describe(args.root, args.device)
    if not args.out:
        # The emulator's times say nothing of any GPU: they do not belong among the results.
        results = args.build / "report" if args.device == "simt" else args.root / "bench" / "results"
        args.out = results / machine.name_of(args.machine)
    return args


def main():
    context = parse()
    stop_on_signals()
    start = time.monotonic()
    store = Store(context.out, page.render)
    before = (store.get("machine") or {}).get("parts", {})
    for part in [*context.parts, "ceilings"]:
        store.drop(part)
    # Other parts may be there from an earlier run, perhaps of another commit; the page says so.
    context.machine["parts"] = {name: state for name, state in before.items() if name not in context.parts}
    store.put("machine", context.machine)
    share, whole, code = 0.0, sum(PARTS[part][1] for part in context.parts), 0
    with tempfile.TemporaryDirectory(prefix="imago-report-") as scratch:
        context.scratch = pathlib.Path(scratch)
        for part in context.parts:
            module, portion = PARTS[part]
            share += portion
            began = time.monotonic()
            print(f"{part}: at most {start + context.seconds * share / whole - began:.0f} s", flush=True)
            try:
                module.run_part(context, store, start + context.seconds * share / whole)
                state = "finished"
            except CutOff as signal:
                kill_all()
                store.tidy()
                state, code = f"cut off by {signal}", 1
            context.machine["parts"][part] = {"seconds": time.monotonic() - began, "state": state,
                                              "commit": context.machine["commit"], "date": context.machine["date"]}
            store.put("machine", context.machine)
            print(f"{part}: {state} after {time.monotonic() - began:.0f} s", flush=True)
            if code:
                break
    print(f"{store.folder / 'report.md'}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
