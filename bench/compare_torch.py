#!/usr/bin/env python3
"""Runs one of our benchmarks and PyTorch side by side, sample by sample in turn, and prints a Markdown table of ratios.

    bench/compare_torch.py build/bench/bench_conv2d [--filter 14x14] [--rounds 9] [--threads 2]
    bench/compare_torch.py build/bench/bench_train

Times are medians (best in brackets); "ratio" is the median over rounds of our time divided by that of PyTorch's faster
memory layout. Below 1 we are faster.
"""
import argparse
import json
import os
import statistics
import subprocess
import time


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--filter", default="")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--sample", type=float, default=0.03, help="seconds per sample, at least")
    p.add_argument("--cpu-time", action="store_true", help="measure processor time: for one thread on a busy machine")
    p.add_argument("--json", help="write all samples to this file")
    return p.parse_args()


args = parse()
# OpenBLAS' own threads and spinning OpenMP threads would fight for the same processors.
os.environ.update(OMP_NUM_THREADS=str(args.threads), OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS=str(args.threads))

import torch  # noqa: E402  (after the environment is set)

import torch_twins  # noqa: E402

torch.set_num_threads(args.threads)


class Ours:
    """A benchmark program that waits for orders."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "--serve", "--threads", str(args.threads), "--filter", args.filter]
            + ["--cpu-time"] * args.cpu_time,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{program} gave no list of cases")
        self.cases = json.loads(line)

    def seconds(self, index, repetitions):
        self.process.stdin.write(f"{index} {repetitions}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def torch_seconds(run, repetitions):
    clock = time.process_time if args.cpu_time else time.perf_counter
    start = clock()
    for _ in range(repetitions):
        run()
    return (clock() - start) / repetitions


def compare(ours, index, case):
    """Samples of all candidates, in turn: {name: [seconds]}."""
    candidates = {"imago": lambda n: ours.seconds(index, n)}
    for layout in ("channels_last", "nchw"):
        run = torch_twins.make(case, layout)
        candidates[layout] = lambda n, run=run: torch_seconds(run, n)
    repetitions = {}
    for name, sample in candidates.items():
        sample(1)  # warm up
        repetitions[name] = max(1, int(args.sample / max(1e-6, min(sample(1), sample(1)))))
    samples = {name: [] for name in candidates}
    for _ in range(args.rounds):
        for name, sample in candidates.items():
            samples[name].append(sample(repetitions[name]))
            time.sleep(0.005)  # lets spinning threads fall asleep
    return samples


def main():
    ours = Ours(args.program)
    print(f"imago against PyTorch {torch.__version__}, {args.threads} threads\n")
    print("| case | imago ms | torch channels_last ms | torch nchw ms | imago GFLOP/s | imago items/s | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    results, total = [], {}
    for index, case in enumerate(ours.cases):
        samples = compare(ours, index, case)
        median = {name: statistics.median(s) for name, s in samples.items()}
        faster = min(("channels_last", "nchw"), key=median.get)
        ratio = statistics.median(a / b for a, b in zip(samples["imago"], samples[faster]))
        cells = [f"{1e3 * median[name]:.2f} ({1e3 * min(samples[name]):.2f})" for name in samples]
        rate = f"{case['items'] / median['imago']:.0f}" if case["items"] else ""
        gflops = f"{case['gflop'] / median['imago']:.0f}" if case["gflop"] else ""
        print(f"| {case['name']} | {' | '.join(cells)} | {gflops} | {rate} | {ratio:.2f} |", flush=True)
        results.append({"case": case, "samples": samples, "ratio": ratio})
        for key, value in (("imago", median["imago"]), ("torch", median[faster])):
            total[key] = total.get(key, 0) + value
    print(f"\nsum of medians: imago {1e3 * total['imago']:.1f} ms, torch {1e3 * total['torch']:.1f} ms, "
          f"ratio {total['imago'] / total['torch']:.2f}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"torch": torch.__version__, "threads": args.threads, "results": results}, f, indent=1)


if __name__ == "__main__":
    main()
