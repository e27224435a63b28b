"""The page, report.md, and its charts, from whatever results there are. Every figure on it stands in a JSON file."""
import math
import re

import chart

IMAGO, OTHER, FLOOR = "#c2562d", "#5f7f9e", "#c9d2da"
STATES = {"bf16": "bf16", "tf32": "f32, products rounded to tf32", "f32": "f32"}


# ---- figures ----


def figure(value, digits=3):
    """Three digits that count: 0.0123, 1.23, 12.3, 1230."""
    if not value:
        return "0"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def ms(seconds):
    return figure(1e3 * seconds)


def percent(part):
    return f"{100 * part:.0f}%" if part >= 0.1 else f"{100 * part:.1f}%"


def table(head, rows):
    """Columns behind the first are figures: to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


# ---- ceilings ----


def floor_seconds(work, precision, ceilings):
    """The least time that arithmetic and traffic take at the measured ceilings; 0 if those are not known."""
    if not ceilings or "copy" not in ceilings:
        return 0
    product = ceilings["matmul"].get(precision, {}).get("per_second", math.inf)
    return max(work["flops"] / product, work["bytes"] / ceilings["copy"]["per_second"])


def ceilings_part(ceilings):
    if "failed" in ceilings:
        return f"The ceilings could not be measured: {ceilings['failed']}.\n"
    rates = [f"{figure(1e-12 * c['per_second'])} TFLOP/s in {STATES[p]} ({c['size']}³, by {c['by']})"
             for p, c in ceilings["matmul"].items()]
    return (f"Ceilings, measured in the same run: {figure(1e-9 * ceilings['copy']['per_second'])} GB/s read and "
            f"written by our copy; " + "; ".join(rates) + ".\n")


# ---- parts of the page ----


def head_part(machine):
    device = machine["device"]
    what = machine["gpu"].get("name", "a GPU") if device == "cuda" else machine["processor"]
    title = {"cuda": what, "cpu": f"{what}, {machine['threads']} threads", "simt": "the emulator: a rehearsal"}[device]
    lines = [f"# imago on {title}\n"]
    if device == "simt":
        lines.append("The kernels for GPUs ran on the emulator, with tiny shapes. Their times say nothing about any "
                     "GPU; this page shows what a report holds.\n")
    facts = [f"{machine['date']}", f"commit {machine['commit'] or 'unknown'}"]
    if machine["gpu"]:
        facts += [f"driver {machine['gpu']['driver_version']}", f"compute capability {machine['gpu']['compute_cap']}"]
    facts.append(f"{machine['threads']} threads of {machine['processor']}")
    lines.append(", ".join(facts) + ".\n")
    if device == "cpu":
        lines.append(f"Load of the machine before: {machine['load_before']:.1f}.\n")
    states = [f"{name} {part['state']} after {part['seconds']:.0f} s" +
              (f" (on {part['date']}, commit {part['commit']})" if part["commit"] != machine["commit"] else "")
              for name, part in machine["parts"].items()]
    if states:
        lines.append("Parts: " + ", ".join(states) + ".\n")
    return "\n".join(lines)


def rows_of_step(workload):
    rows = []
    timed = [c for c in workload["contestants"] if c["seconds"]]
    theirs = [c["seconds"]["step"] for c in timed if c["name"].startswith("torch") and "step" in c["seconds"]]
    best = min(theirs, default=0)
    for c in timed:
        s = c["seconds"]
        both, forward, step = s.get("forward+backward"), s.get("forward"), s.get("step")
        optimizer = s.get("optimizer", step - both if step and both else None)
        rows.append([
            c["name"], ms(step) if step else "", ms(forward) if forward else "",
            ms(max(0, both - forward)) if both and forward else "", ms(max(0, optimizer)) if optimizer else "",
            figure(c["batch"] / step) if step else "", figure(step / best) if step and best else "",
            ms(s["sample"]) if "sample" in s else "", f"{c['peak_bytes'] / 2**30:.2f}" if c["peak_bytes"] else "",
            f"{c['first_step_seconds']:.1f}" if c["first_step_seconds"] else "",
        ])
    return rows


def step_part(step):
    lines = ["## A training step and a sampling step\n"]
    if "failed" in step:
        return lines[0] + f"\nNot measured: {step['failed']}.\n"
    lines.append("Times in ms, medians over rounds in which all took turns. A step draws noise and time steps, runs "
                 "forward and backward, clips, and updates weights (AdamW) and their average; with +graph, imago "
                 "launches all of it as one CUDA graph. imago's optimizer is the difference between a step and its "
                 "forward and backward. The time ratio is to PyTorch's "
                 "fastest: below 1 is faster. The first step counts from the start of the process; what torch.compile "
                 "compiles, it compiles side by side for all settings.\n")
    if step["torch"]:
        lines.append(f"PyTorch {step['torch']}; behind the plus sign the mode of torch.compile. Images are "
                     "channels_last unless it says nchw; bf16 is autocast; AdamW is fused.\n")
    if "absent" in step:
        lines.append(f"Without PyTorch: {step['absent']}.\n")
    for workload in step["workloads"]:
        timed = [c for c in workload["contestants"] if c["seconds"]]
        if timed:
            first = timed[0]
            lines.append(f"### {workload['workload']}, batch {first['batch']}, {first['parameters']:,} parameters\n")
            lines.append(table(["", "step", "forward", "backward", "optimizer", "images/s", "time ratio",
                                "sampling step", "peak GiB", "first step s"], rows_of_step(workload)))
        check = workload.get("check")
        if check and "failed" in check:
            lines.append(f"The twin could not be compared: {check['failed']}.\n")
        elif check:
            lines.append(f"In f32, imago and the twin differ by {check['output']:.0e} in the output and "
                         f"{check['gradients']:.0e} in all gradients, relative to their norms; {check['parameters']:,} "
                         "parameters each.\n")
        if "left_out" in workload:
            lines.append(f"Mind: {workload['left_out']}.\n")
        for c in workload["contestants"]:
            if c["failed"]:
                lines.append(f"{c['name']}: {c['failed']}.\n")
    return "\n".join(lines)


def profile_part(profile, ceilings):
    lines = ["## Where the time of a training step goes\n"]
    if "failed" in profile:
        return lines[0] + f"\nNot measured: {profile['failed']}.\n"
    lines.append("Each launch timed by itself. The floor is what its arithmetic and its traffic, every operand moved "
                 "once, would take at the ceilings; a kernel whose operands are in a cache may be below it.\n")
    for run in profile["runs"]:
        if "failed" in run:
            lines.append(f"{run['workload']}, {run['precision']}: {run['failed']}.\n")
            continue
        lines.append(f"### {run['workload']}, {STATES[run['precision']]}, batch {run['batch']}\n")
        outside = run["seconds_of_step"] - run["seconds_in_launches"]
        between = f", {ms(outside)} ms of it between launches" if outside > 0 else ""
        without = "" if run["optimizer"] else "; without an optimizer"
        lines.append(f"{run['launches']} launches take {ms(run['seconds_in_launches'])} ms; the step takes "
                     f"{ms(run['seconds_of_step'])} ms{between}{without}.\n")
        rows = []
        for kind in run["kinds"]:
            floor = floor_seconds(kind, run["precision"], ceilings)
            rows.append([kind["name"], kind["launches"], ms(kind["seconds"]),
                         percent(kind["seconds"] / run["seconds_in_launches"]),
                         figure(1e-12 * kind["flops"] / kind["seconds"]) if kind["flops"] else "",
                         figure(1e-9 * kind["bytes"] / kind["seconds"]), ms(floor) if floor else "",
                         figure(kind["seconds"] / floor) if floor else ""])
        head = ["launcher", "launches", "ms", "of all", "TFLOP/s", "GB/s", "floor ms", "times floor"]
        lines.append(table(head, rows))
        top = [[s["name"], s["launches"], ms(s["seconds"]), percent(s["seconds"] / run["seconds_in_launches"])]
               for s in run["shapes"][:10]]
        lines.append("The ten shapes that take longest:\n\n" + table(["", "launches", "ms", "of all"], top))
    return "\n".join(lines)


def kind_of(layer):
    """conv2d forward, conv2d input, group_norm backward, ..."""
    return re.sub(r"_(forward|backward).*$", "", layer["launcher"]) + " " + layer["direction"]


def sums_by_kind(run, ceilings):
    """For each kind of layer: launches, our time in a step, its floor, the yardstick's time (worth
    something if all layers have one) and the ratios."""
    sums = {}
    for layer in run["layers"]:
        if "imago" not in layer:
            continue
        s = sums.setdefault(kind_of(layer), {"launches": 0, "seconds": 0, "floor": 0, "theirs": 0, "ratios": []})
        s["all"] = s.get("all", True) and "yardstick" in layer
        n, seconds = layer["launches"], layer["imago"]["seconds"]
        s["launches"] += n
        s["seconds"] += n * seconds
        s["floor"] += n * floor_seconds(layer, run["precision"], ceilings)
        if "yardstick" in layer:
            s["theirs"] += n * layer["yardstick"]["seconds"]
            s["ratios"].append(seconds / layer["yardstick"]["seconds"])
    return sums


def layer_row(layer, run, ceilings):
    name = f"{kind_of(layer)} {layer['shape']}"
    if "imago" not in layer:
        return [name, layer["launches"], layer["wrong"], "", "", "", "", "", ""]
    seconds, floor = layer["imago"]["seconds"], floor_seconds(layer, run["precision"], ceilings)
    row = [name, layer["launches"], ms(seconds), figure(1e-12 * layer["flops"] / seconds) if layer["flops"] else "",
           figure(1e-9 * layer["bytes"] / seconds), percent(floor / seconds) if floor else "",
           f"{layer['imago']['error']:.0e}"]
    theirs = layer.get("yardstick")
    if not theirs:
        return row + ["", ""]
    words = f"{ms(theirs['seconds'])} {theirs['by']}" + ("" if theirs["deterministic"] else ", not deterministic")
    return row + [words, figure(seconds / theirs["seconds"])]


def kernels_part(kernels, ceilings):
    lines = ["## The layers one by one\n"]
    if "failed" in kernels:
        return lines[0] + f"\nNot measured: {kernels['failed']}.\n"
    lines.append("Shapes as a training step launches them, each result checked against f64 first, caches filled with "
                 "something else before each call, medians. The yardstick is the fastest of the engines that cuDNN "
                 "proposes (NHWC, same type, bias fused; some do not give the same bits twice, ours do), or of cuBLAS' "
                 "algorithms; the ratio is our time over theirs: below 1 imago is faster. Of ceiling: the floor "
                 "over our time.\n")
    for run in kernels["runs"]:
        lines.append(f"### {run['workload']}, {STATES[run['precision']]}\n")
        header = run.get("header")
        for why in header["absent"] if header else []:
            lines.append(f"Without a yardstick: {why}.\n")
        if header and header["cudnn"]:
            lines.append(f"cuDNN {header['cudnn']}, cuBLAS {header['cublas'] or 'absent'}.\n")
        if "failed" in run:
            of = f" of {header['layers']}" if header else ""
            lines.append(f"Not complete, {len(run['layers'])}{of} layers: {run['failed']}.\n")
        sums = sums_by_kind(run, ceilings)
        if not sums:
            continue
        rows = [[kind, s["launches"], ms(s["seconds"]), percent(s["floor"] / s["seconds"]) if s["floor"] else "",
                 ms(s["theirs"]) if s["all"] else "", figure(geometric_mean(s["ratios"])) if s["ratios"] else ""]
                for kind, s in sums.items()]
        head = ["in one step", "launches", "ms", "of ceiling", "yardstick ms", "geometric mean of ratios"]
        lines.append(table(head, rows))
        lines.append("<details><summary>every layer</summary>\n\n" +
                     table(["", "launches", "ms", "TFLOP/s", "GB/s", "of ceiling", "error", "yardstick ms", "ratio"],
                           [layer_row(layer, run, ceilings) for layer in run["layers"]]) + "\n</details>\n")
        ratios = [r for s in sums.values() for r in s["ratios"]]
        if ratios:
            lines.append(f"Geometric mean of {len(ratios)} ratios: **{figure(geometric_mean(ratios))}**.\n")
    return "\n".join(lines)


def test_part(test):
    lines = ["## Tests\n"]
    if "failed" in test:
        return lines[0] + f"\nNot run: {test['failed']}.\n"
    files = test["files"]
    tests, failures = sum(f["tests"] for f in files.values()), sum(len(f["failures"]) for f in files.values())
    lines.append(f"{tests} tests in {len(files)} of {test['wanted']} files, {failures} failed.\n")
    for name, f in sorted(files.items()):
        if "broken" in f:
            lines.append(f"* {name}: {f['broken']}")
        for failure in f["failures"]:
            lines.append(f"* {name}, {failure['name']}: `{' '.join(failure['message'].split())[:200]}`")
    if test["sanitizer"]:
        said = ", ".join(f"{name}: {outcome}" for name, outcome in test["sanitizer"].items())
        lines.append(f"\ncompute-sanitizer, memcheck: {said}.")
    return "\n".join(lines) + "\n"


def build_part(build):
    lines = ["## Build\n"]
    if "seconds" in build:
        longest = ", ".join(f"`{name}` {seconds:.0f} s" for name, seconds in build["slowest"][:5])
        lines.append(f"{build['seconds']:.0f} s with {build['jobs']} jobs, after {build['configure_seconds']:.0f} s of "
                     "cmake. " + (f"Longest: {longest}." if longest else ""))
    if "failed" in build:
        lines.append(f"\nFailed: {build['failed']}. Missing: {', '.join(build.get('missing', [])) or 'nothing'}.")
    return "\n".join(lines) + "\n"


# ---- charts ----


def step_chart(step):
    rows = []
    for workload in step["workloads"]:
        for c in workload["contestants"]:
            seconds = c["seconds"].get("step")
            if seconds:
                which = 0 if c["name"].startswith("imago") else 1
                rows.append((f"{workload['workload']}: {c['name']}",
                             [(which, 1e3 * seconds, f"{ms(seconds)} ms, {figure(c['batch'] / seconds)} images/s")]))
    return rows and chart.bars("One training step", "milliseconds, shorter is better",
                               [("imago", IMAGO), ("PyTorch", OTHER)], rows)


def profile_chart(profile, ceilings):
    runs = [run for run in profile.get("runs", []) if "kinds" in run]
    if not runs:
        return None
    run, rows = runs[0], []
    for kind in run["kinds"][:14]:
        floor = floor_seconds(kind, run["precision"], ceilings)
        bars = [(0, 1e3 * kind["seconds"], f"{ms(kind['seconds'])} ms, {kind['launches']} launches")]
        if floor:
            bars.append((1, 1e3 * floor, f"floor {ms(floor)} ms"))
        rows.append((kind["name"], bars))
    title = f"Where {ms(run['seconds_of_step'])} ms go: {run['workload']}, batch {run['batch']}, {run['precision']}"
    return chart.bars(title, "milliseconds by kind of launch, over one training step",
                      [("measured", IMAGO), ("floor at the ceilings", FLOOR)], rows)


def kernels_chart(kernels, ceilings):
    runs = [run for run in kernels.get("runs", []) if any("imago" in layer for layer in run["layers"])]
    if not runs:
        return None
    run, rows = runs[0], []
    for kind, s in sums_by_kind(run, ceilings).items():
        bars = [(0, 1e3 * s["seconds"], f"{ms(s['seconds'])} ms")]
        if s["all"]:
            bars.append((1, 1e3 * s["theirs"], f"{ms(s['theirs'])} ms"))
        if s["floor"]:
            bars.append((2, 1e3 * s["floor"], f"{ms(s['floor'])} ms"))
        rows.append((kind, bars))
    return chart.bars(f"The layers of {run['workload']} in {run['precision']}, summed over one step",
                      "milliseconds, each layer timed alone with cold caches",
                      [("imago", IMAGO), ("cuDNN, cuBLAS", OTHER), ("floor at the ceilings", FLOOR)], rows)


def render(results):
    """{file name: text} of the page and its charts."""
    ceilings = results.get("ceilings", {})
    charts = {"step.svg": "step" in results and step_chart(results["step"]),
              "profile.svg": "profile" in results and profile_chart(results["profile"], ceilings),
              "kernels.svg": "kernels" in results and kernels_chart(results["kernels"], ceilings)}
    parts = [head_part(results["machine"])]
    if ceilings:
        parts.append(ceilings_part(ceilings))
    for name, write in (("step", step_part), ("profile", lambda r: profile_part(r, ceilings)),
                        ("kernels", lambda r: kernels_part(r, ceilings)), ("test", test_part), ("build", build_part)):
        if name not in results:
            continue
        part = write(results[name])
        if charts.get(f"{name}.svg"):
            heading, _, rest = part.partition("\n")
            part = f"{heading}\n\n![{heading.strip('# ').lower()}]({name}.svg)\n{rest}"
        parts.append(part)
    files = {name: svg for name, svg in charts.items() if svg}
    files["report.md"] = "\n".join(parts)
    return files
