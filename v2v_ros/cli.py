"""The command line: ``v2v demo | predict | train | benchmark | info``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import __version__
from .progress import Progress

_DESCRIPTION = """Metric 3D skeletons of hands and bodies from depth images, with V2V-PoseNet.

Start with 'v2v demo' (needs ROS 2), or 'v2v predict FRAMES.json --output OUT.json' (does not)."""


_SKELETON = "hand21"


class CommandError(Exception):
    """A command cannot be carried out; the message is all that the user needs to see."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 it failed, 2 wrong usage, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="v2v: %(message)s")
    try:
        figures: dict[str, Any] | None = options.command(options)
        if options.json is not None and figures is not None:
            from .files import write_atomically

            write_atomically(options.json, (json.dumps(figures, indent=1, allow_nan=False) + "\n").encode())
    except KeyboardInterrupt:
        print("v2v: interrupted", file=sys.stderr)
        return 130
    except (CommandError, ValueError, OSError, RuntimeError) as error:
        if options.verbose:
            raise
        print(f"v2v {options.name}: error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if options.verbose:
            raise
        print(f"v2v {options.name}: error: {_missing(error)}", file=sys.stderr)
        return 1
    return 0


def _missing(error: ModuleNotFoundError) -> str:
    module = (error.name or str(error)).split(".")[0]
    if module == "rclpy" or (error.name or "").startswith("v2v_ros.msg"):
        return "this command needs ROS 2 with v2v_ros built in it: 'make setup', then 'scripts/env v2v ...'"
    packages = {"PIL": "pillow", "pytorch_lightning": "pytorch-lightning"}
    return f"the Python module '{module}' is missing: pip install {packages.get(module, module)}"


def _demo(options: argparse.Namespace) -> dict[str, Any]:
    from .nodes.demo import run_demo
    from .weights import default_for

    with Progress(options.seconds, "s", quiet=options.quiet) as bar:
        result = run_demo(
            options.seconds,
            weights=options.weights or default_for(_SKELETON),
            device=options.device,
            rate=options.rate,
            width=options.width,
            height=options.height,
            kind="hand",
            picture=options.picture,
            on_progress=bar.to,
        )
    figures = result.to_dict()
    latency, stages = figures["latency_ms"], figures["stages_ms"]
    rows = [
        ("frames", f"{figures['frames']}"),
        ("rate", f"{figures['rate_hz']:.1f} Hz"),
        ("hand found in", f"{100 * figures['detected_share']:.1f} % of the frames"),
        ("mean joint error", "-" if figures["mean_error_mm"] is None else f"{figures['mean_error_mm']:.1f} mm"),
        ("latency p50, image to skeleton", f"{latency['p50']:.1f} ms"),
        ("latency p99, image to skeleton", f"{latency['p99']:.1f} ms"),
        *((f"  {stage}, median", f"{milliseconds:.2f} ms") for stage, milliseconds in stages.items()),
    ]
    _print_rows(rows)
    if options.picture is not None:
        print(f"picture: {options.picture}")
    return figures


def _predict(options: argparse.Namespace) -> dict[str, Any]:
    from . import weights
    from .estimator import PoseEstimator
    from .predict import Predictor
    from .tracking import Side

    bag = options.depth_topic is not None or options.info_topic is not None
    if bag and None in (options.depth_topic, options.info_topic):
        raise CommandError("a bag needs both --depth-topic and --info-topic")
    if not bag and (options.input.is_dir() or options.input.suffix in (".mcap", ".db3")):
        raise CommandError(_topics_hint(options.input))
    suffix = ".mcap" if bag else ".json"
    if options.output.suffix != suffix:
        raise CommandError(f"'{options.output}': the output of this input is {suffix}: choose such a name")
    if not options.output.absolute().parent.is_dir():
        raise CommandError(f"'{options.output}': the folder does not exist: make it first")
    if options.weights is None:
        options.weights = weights.default_for(options.skeleton or _SKELETON)
    side = Side[options.side.upper()]
    estimator = PoseEstimator(options.weights, device=options.device, skeleton=options.skeleton, side=side)
    if options.score_threshold is not None:
        estimator.score_threshold = options.score_threshold
    sequence = options.sequence or bag
    predictor = Predictor(estimator, sequence=sequence, pictures=options.pictures, quiet=options.quiet)
    if bag:
        predictor.bag(options.input, options.depth_topic, options.info_topic, options.output)
    else:
        predictor.frame_list(options.input, options.output)
    figures = predictor.summary.to_dict()
    if not options.quiet:
        print(
            f"{figures['frames']} frames, a {estimator.skeleton.kind} in {figures['with_skeleton']} of them, "
            f"{figures['rate_hz']} Hz on {estimator.device} ({estimator.weights_id}); written to {options.output}"
        )
    return figures


def _topics_hint(path: Path) -> str:
    from .bags import list_topics

    topics = "\n".join(f"  {topic.name}  {topic.type}  {topic.message_count}" for topic in list_topics(path))
    return f"'{path}' is a bag: name its topics with --depth-topic and --info-topic. It has\n{topics}"


def _train(options: argparse.Namespace) -> dict[str, Any]:
    from .training.train import TrainingConfig, train

    names = TrainingConfig.__dataclass_fields__
    config = TrainingConfig(**{name: value for name, value in vars(options).items() if name in names})
    figures = train(config, options.output, resume=options.resume, progress=not options.quiet)
    _print_rows([(name.removeprefix("val/"), f"{value:.3f}") for name, value in figures.items()])
    print(f"weights: {options.output}")
    return figures


def _benchmark(options: argparse.Namespace) -> dict[str, Any]:
    from .benchmark import STAGES, benchmark, frames_in_all
    from .weights import default_for

    weights = options.weights or default_for(_SKELETON)
    with Progress(frames_in_all(options.frames), "frame", quiet=options.quiet) as bar:
        figures = benchmark(weights, device=options.device, frames=options.frames, tick=bar.step)
    _print_rows([(name, str(value)) for name, value in figures["machine"].items()])
    print(f"\n{'milliseconds':14}" + "".join(f"{kind:>30}" for kind in ("tracking p50/p90/p99", "searching")))
    for stage in STAGES:
        cells = [
            " / ".join(f"{figures[kind][stage][q]:.2f}" for q in ("p50", "p90", "p99"))
            for kind in ("tracking", "searching")
        ]
        print(f"{stage:14}" + "".join(f"{cell:>30}" for cell in cells))
    network = figures["network_ms"]
    print(f"\nnetwork alone: {network['runtime']} ms, {network['ratio']} times as fast as plain float32 PyTorch")
    print(f"a tracked frame takes {100 * figures['camera_share']:.0f} % of the time between two frames at 30 Hz")
    return figures


def _info(_: argparse.Namespace) -> dict[str, Any]:
    import torch

    from . import weights
    from .skeletons import SKELETONS

    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    listing = []
    for name in weights.shipped():
        loaded = weights.load(name)
        config = loaded.config
        listing.append(
            {
                "name": name,
                "skeleton": loaded.skeleton.name,
                "grid": config.grid,
                "width": config.width,
                "cube_edge_m": loaded.cube_edge,
                "hash": loaded.hash,
                "samples": loaded.training.get("samples"),
                "held_out_error_mm": loaded.training.get("held_out", {}).get("val/error_mm"),
                "held_out_median_mm": loaded.training.get("held_out", {}).get("val/median_mm"),
            }
        )
    _print_rows([("v2v_ros", __version__), ("torch", torch.__version__), ("devices", ", ".join(devices))])
    print("\nskeletons")
    for skeleton in SKELETONS.values():
        edge = f"cube {skeleton.cube_edge:g} m"
        print(f"  {skeleton.name:8} {skeleton.kind:5} {len(skeleton.joint_names):2} joints, {edge}")
    print("\nshipped weights")
    for entry in listing:
        print(
            f"  {entry['name']}: {entry['skeleton']}, grid {entry['grid']}, width {entry['width']}, "
            f"hash {entry['hash']}\n    joint error on held-out synthetic data: mean {entry['held_out_error_mm']} mm, "
            f"median {entry['held_out_median_mm']} mm"
        )
    return {
        "version": __version__,
        "torch": torch.__version__,
        "devices": devices,
        "skeletons": {s.name: list(s.joint_names) for s in SKELETONS.values()},
        "weights": listing,
    }


def _print_rows(rows: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:{width}}  {value}")


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("v2v", description=_DESCRIPTION, formatter_class=form)
    parser.add_argument("--version", action="version", version=f"v2v_ros {__version__}")
    commands = parser.add_subparsers(title="commands", dest="name", required=True, metavar="COMMAND")

    def command(
        name: str, function: Callable[[argparse.Namespace], dict[str, Any]], text: str, example: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=form
        )
        sub.set_defaults(command=function)
        sub.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
        sub.add_argument("--quiet", action="store_true", help="no progress bar")
        sub.add_argument("--verbose", action="store_true", help="show the whole trace of an error")
        return sub

    def network_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--weights", help="name of shipped weights or path of a file (default: see 'v2v info')")
        sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")

    demo = command(
        "demo",
        _demo,
        "Run the real ROS nodes on a rendered hand and measure them against the true skeleton.",
        "v2v demo --seconds 20 --picture demo.png",
    )
    network_options(demo)
    demo.add_argument("--seconds", type=_positive(float), default=12.0, help="length of the measurement (12)")
    demo.add_argument("--rate", type=_positive(float), default=30.0, help="frames a second of the camera (30)")
    demo.add_argument("--width", type=_positive(int), default=640, help="of the depth image in pixels (640)")
    demo.add_argument("--height", type=_positive(int), default=480, help="of the depth image in pixels (480)")
    demo.add_argument("--picture", type=Path, default=Path("demo.png"), help="PNG to write (demo.png)")

    predict = command(
        "predict",
        _predict,
        "Estimate skeletons in recorded frames: a list of depth images (docs/formats.md) or a rosbag2.",
        "v2v predict frames.json --output skeletons.json --pictures pictures/\n"
        "  v2v predict recording/ --depth-topic /camera/depth/image_rect_raw \\\n"
        "      --info-topic /camera/depth/camera_info --output skeletons.mcap",
    )
    predict.add_argument("input", type=Path, help="frame list (.json), or a bag (folder, .mcap or .db3)")
    predict.add_argument("--output", type=Path, required=True, help=".json for a frame list, .mcap for a bag")
    network_options(predict)
    predict.add_argument("--skeleton", help=f"what to estimate (default: that of the weights, else {_SKELETON})")
    predict.add_argument("--side", choices=("right", "left"), default="right", help="which hand (right)")
    predict.add_argument("--score-threshold", type=float, help="report skeletons from this score on")
    predict.add_argument("--sequence", action="store_true", help="keep tracks from frame to frame (bags: always)")
    predict.add_argument("--depth-topic", help="of a bag: the depth images")
    predict.add_argument("--info-topic", help="of a bag: their camera infos")
    predict.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw every frame with its skeletons")

    train = command(
        "train",
        _train,
        "Train a network on synthetic depth, made while it trains. On a GPU the full network is one command.",
        "v2v train --output hand21.safetensors --grid 88 --width 16 --batch 32 --samples 2000000\n"
        "  v2v train --output hand21_lite.safetensors --samples 200000",
    )
    train.add_argument("--output", type=Path, required=True, help="weights file to write (.safetensors)")
    train.add_argument("--skeleton", default="hand21", help="what to estimate (default: hand21)")
    train.add_argument("--grid", type=_positive(int), default=48, help="cells per axis; the paper's 88 (48)")
    train.add_argument("--width", type=_positive(int), default=8, help="channels at the front; the paper's 16 (8)")
    train.add_argument("--sigma", type=_positive(float), default=1.7, help="of the target, in heatmap cells (1.7)")
    train.add_argument("--samples", type=_positive(int), default=200_000, help="seen in all (200000)")
    train.add_argument("--batch", type=_positive(int), default=8, help="samples a step (8)")
    train.add_argument("--learning-rate", type=_positive(float), default=2e-3, help="the highest (0.002)")
    train.add_argument("--seed", type=int, default=0, help="of data and initialisation (0)")
    train.add_argument("--precision", default="bf16-mixed", help="of Lightning's trainer (bf16-mixed)")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this output")

    benchmark = command(
        "benchmark",
        _benchmark,
        "Time every stage of a frame on this machine, without ROS.",
        "v2v benchmark --frames 300 --json benchmark.json",
    )
    network_options(benchmark)
    benchmark.add_argument("--frames", type=_positive(int), default=100, help="timed frames of each kind (100)")

    command("info", _info, "Show versions, devices, skeletons and shipped weights.", "v2v info")
    return parser


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Argument type for numbers above zero."""

    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above zero, got {text}")
        return value

    parse.__name__ = "number"
    return parse


if __name__ == "__main__":
    sys.exit(main())
