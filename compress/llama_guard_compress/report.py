# SPDX-License-Identifier: Apache-2.0
"""Results of runs of one recipe (one for each seed) as JSON, as a Markdown table and as a plot."""

from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np

from .checkpoint import read_json, write_json
from .errors import CheckpointError
from .steps_measure import RESULT

_GROUPS = ("all", "en, user")


_BEGIN, _END = "<!-- results of {} -->", "<!-- end of results -->"


def write_report(runs: List[Path], out: Path, native: Optional[Path] = None, page: Optional[Path] = None,
                 name: str = "demo") -> None:
    """
    results.json, results.md and results.svg in the folder `out`. `native` is what tools/heldout-report.mjs --json wrote
    of the first run's converted model. The table also goes into `page`, between the line "<!-- results of NAME -->" and
    the next "<!-- end of results -->".
    """
    results = collect(runs, native)
    if page is not None:
        text = page.read_text("utf-8")
        before, begin, rest = text.partition(_BEGIN.format(name))
        _, end, after = rest.partition(_END)
        if not end:
            raise CheckpointError(f"{page} has no place for results: {_BEGIN.format(name)} and {_END} are expected")
        page.write_text(f"{before}{begin}\n{table(results)}{end}{after}", "utf-8")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "results.json", results)
    (out / "results.md").write_text(table(results), "utf-8")
    (out / "results.svg").write_text(plot(results), "utf-8")


def collect(runs: List[Path], native: Optional[Path] = None) -> Dict:
    """Rows of the table: each evaluated model of the first run, with the figures of all runs, and the baselines."""
    stages = []
    for folder in _evaluations(runs[0]):
        found = [read_json(run / folder / RESULT) for run in runs]
        stages.append({
            "name": folder, **{key: found[0][key] for key in ("layers", "mlp", "parameters", "bytes")},
            "groups": {name: _spread([f["groups"][name] for f in found]) for name in found[0]["groups"]},
            "categories": found[0]["categories"],
        })
    if not stages:
        raise CheckpointError(f"{runs[0]} holds no {RESULT}: has the recipe been run?")
    baselines = {}
    if native is not None:
        baselines["the last, through the package"] = {"groups": _native_groups(native, stages[-1])}
    for path in sorted(runs[0].glob("*/baselines.json")):
        for name, figures in read_json(path).items():
            baselines[name] = {"groups": {key: _spread([value]) for key, value in figures["groups"].items()}}
    blocks = {path.parent.name: read_json(path) for path in sorted(runs[0].glob("*/random-blocks.json"))}
    return {"runs": len(runs), "stages": stages, "baselines": baselines, "randomBlocks": blocks}


def table(results: Dict) -> str:
    """The results in Markdown."""
    seeds = results["runs"]
    interval = "mean of the seeds and, in brackets, their range" if seeds > 1 else "in brackets, 95 % by bootstrap"
    lines = [f"Runs: {seeds}; {interval}.", "",
             "| model | layers x MLP | parameters | bytes | " + " | ".join(
                 f"{what} ({group})" for group in _GROUPS for what in ("F1", "FPR", "AUC")) + " |",
             "|---|---|---|---|" + "---|" * (3 * len(_GROUPS))]
    for stage in results["stages"]:
        lines.append(f"| {stage['name']} | {stage['layers']} x {stage['mlp']} | {stage['parameters']:,} | "
                     f"{stage['bytes']:,} | {_cells(stage['groups'])} |")
    for name, figures in results["baselines"].items():
        lines.append(f"| {name} | | | | {_cells(figures['groups'])} |")
    last = results["stages"][-1]
    lines += ["", *_by_group({last["name"]: last, **results["baselines"]})]
    lines += ["", f"{last['name']}, by category:", "", "| category | number | found | rightly named |", "|---|---|---|---|"]
    for code, row in last["categories"].items():
        lines.append(f"| {code} | {row['count']} | {row['recall']:.2f} | {row.get('named', float('nan')):.2f} |")
    for name, study in results["randomBlocks"].items():
        lines += ["", f"{name}: {study['keep']} blocks kept, on {study['conversations']} conversations left out of training:", "",
                  "| dropped by | blocks | loss | AUC |", "|---|---|---|---|"]
        for row in study["sets"]:
            lines.append(f"| {row['by']} | {' '.join(map(str, row['dropped']))} | {row['loss']:.3f} | {row['auc']:.3f} |")
    return "\n".join(lines) + "\n"


def _by_group(compared: Dict[str, Dict]) -> List[str]:
    """F1, FPR and AUC by language and role, models and baselines side by side."""
    figures = ("f1", "fpr", "auc")
    lines = ["By language and role: F1 / FPR / AUC.", "", f"| conversations | number | {' | '.join(compared)} |",
             "|---|---|" + "---|" * len(compared)]
    for group, counted in next(iter(compared.values()))["groups"].items():
        cells = (model["groups"].get(group) for model in compared.values())
        texts = (" / ".join(f"{cell[figure]['value']:.3f}" for figure in figures) if cell else "" for cell in cells)
        lines.append(f"| {group} | {counted['count']} | {' | '.join(texts)} |")
    return lines


def plot(results: Dict, group: str = "en, user") -> str:
    """AUC of each stage against its size, with intervals, as an SVG."""
    group = group if group in results["stages"][0]["groups"] else "all"
    width, left, top, row = 720, 190, 46, 30
    marks = [(s["name"], s["groups"][group]["auc"], _bytes(s["bytes"])) for s in results["stages"]]
    marks += [(name, b["groups"][group]["auc"], "") for name, b in results["baselines"].items() if group in b["groups"]]
    low = max(0.0, np.floor(10 * min(m[1]["low"] for m in marks)) / 10)
    height = top + row * len(marks) + 34

    def x(value: float) -> float:
        return left + (value - low) / (1 - low) * (width - left - 90)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
             'font-size="13"><rect width="100%" height="100%" fill="#fff"/>',
             f'<text x="{left}" y="22" font-weight="bold">AUC on held-out conversations ({group}), with intervals</text>']
    for tick in np.arange(low, 1.001, 0.1):
        parts.append(f'<line x1="{x(tick):.1f}" y1="{top - 8}" x2="{x(tick):.1f}" y2="{height - 26}" stroke="#ddd"/>'
                     f'<text x="{x(tick):.1f}" y="{height - 10}" text-anchor="middle" fill="#555">{tick:.1f}</text>')
    for i, (name, figure, size) in enumerate(marks):
        y = top + row * i + 10
        color = "#1f5fa8" if size else "#999"
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{name}</text>'
            f'<line x1="{x(figure["low"]):.1f}" y1="{y}" x2="{x(figure["high"]):.1f}" y2="{y}" stroke="{color}" stroke-width="2"/>'
            f'<circle cx="{x(figure["value"]):.1f}" cy="{y}" r="5" fill="{color}"/>'
            f'<text x="{width - 80}" y="{y + 4}" fill="#555">{size}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _native_groups(path: Path, stage: Dict) -> Dict:
    """Figures of the package, in the form of ours but without intervals."""
    known = {"f1": "f1", "fpr": "falsePositiveRate", "auc": "auc"}
    groups = read_json(path)["groups"]
    for name in set(groups) & set(stage["groups"]):
        if groups[name]["count"] != stage["groups"][name]["count"]:
            raise CheckpointError(f"{path} measured {groups[name]['count']} conversations ({name}), the runs "
                                  f"{stage['groups'][name]['count']}: take the same file for both")
    return {name: {"count": group["count"], **{ours: dict.fromkeys(("value", "low", "high"), group[theirs])
                                               for ours, theirs in known.items()}} for name, group in groups.items()}


def _evaluations(run: Path) -> List[str]:
    """Folders of evaluations, in the order in which they were made."""
    return [path.parent.name for path in sorted(run.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime_ns)]


def _spread(figures: List[Dict]) -> Dict:
    """Value and interval of each metric: over seeds, or by the bootstrap of a single run."""
    merged: Dict = {"count": figures[0]["count"]}
    for name in ("f1", "fpr", "auc"):
        values = [figure[name] for figure in figures]
        low, high = (min(values), max(values)) if len(values) > 1 else (figures[0]["interval"][name] or [values[0]] * 2)
        merged[name] = {"value": float(np.mean(values)), "low": low, "high": high}
    return merged


def _cells(groups: Dict, names: Tuple[str, ...] = _GROUPS) -> str:
    return " | ".join(_cell(groups.get(name, {}).get(metric)) for name in names for metric in ("f1", "fpr", "auc"))


def _cell(figure: Optional[Dict]) -> str:
    if figure is None or np.isnan(figure["value"]):
        return ""
    interval = f" ({figure['low']:.3f} to {figure['high']:.3f})" if figure["low"] < figure["high"] else ""
    return f"{figure['value']:.3f}{interval}"


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
