# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Real depth sensors in numbers.

Noise of triangulating sensors is given in pixels of disparity over focal length times baseline, which makes metres
at 1 m. Sources are named per row; "fitted" marks values fitted to recorded frames. The widths of frayed edges, the
shares of holes and the strengths of multipath, wiggling and fattening are chosen by eye: renderings are to look like
recordings.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

KINDS = ("generic", "structured_light", "time_of_flight", "stereo")
GENERIC, STRUCTURED_LIGHT, TIME_OF_FLIGHT, STEREO = range(len(KINDS))


@dataclass(frozen=True)
class Preset:
    """A sensor: what :class:`v2v_ros.synthetic.sensors.sense.Sensors` has, and where it is from."""

    kind: str
    source: str
    focal: float = inf
    half_width: float = inf
    field: float = inf
    near: float = 0.0
    far: float = inf
    unit: float = 0.0
    baseline: float = 0.0
    white: float = 0.0
    bumps: float = 0.0
    floor: float = 0.0
    step: float = 0.0
    edge: float = 0.0
    mixed: float = 0.0
    holes: float = 0.0
    grazing: float = 0.0
    multipath: float = 0.0
    wiggle: float = 0.0
    fatten: float = 0.0
    vanish: float = 0.0


_KINECT_V1 = 580.0 * 0.075  # focal length times baseline, pixels times metres
_D435 = 390.0 * 0.050
_ZED2 = 530.0 * 0.120
_OAK_D = 441.0 * 0.075

PRESETS: dict[str, Preset] = {
    "kinect_v1": Preset(
        kind="structured_light",
        source="Khoshelham and Elberink 2012 (geometry, 1/8 pixel steps); Nguyen et al. 2012 (edges, angles); "
        "noise fitted",
        focal=580.0,
        half_width=320 / 580,
        near=0.5,
        far=5.0,
        unit=0.001,
        baseline=0.075,
        white=0.03 / _KINECT_V1,
        bumps=0.05 / _KINECT_V1,
        floor=0.0003,
        step=1 / 8 / _KINECT_V1,
        edge=1.0,
        mixed=1.6,
        holes=0.002,
        grazing=1.0,
    ),
    "sr305": Preset(
        kind="structured_light",
        source="Zabatani et al., Intel RealSense SR300 coded light depth camera, IEEE TPAMI 2020 (0.2 to 1.5 m); "
        "focal length, baseline, noise and unit fitted",
        focal=476.0,
        half_width=320 / 476,
        near=0.2,
        far=1.5,
        unit=0.000125,
        baseline=-0.07,
        white=0.0005,
        bumps=0.0013,
        edge=3.0,
        mixed=1.0,
        holes=0.003,
        grazing=1.0,
    ),
    "kinect_v2": Preset(
        kind="time_of_flight",
        source="Sarbolandi et al. 2015 (faults, 512x424, 0.5 to 4.5 m)",
        focal=365.0,
        half_width=256 / 365,
        near=0.5,
        far=4.5,
        unit=0.001,
        white=0.0003,
        floor=0.0006,
        edge=0.5,
        mixed=2.0,
        holes=0.001,
        grazing=0.8,
        multipath=0.05,
        wiggle=0.003,
    ),
    "azure_kinect": Preset(
        kind="time_of_flight",
        source="Microsoft, Azure Kinect DK hardware specifications (narrow field, unbinned); Tölgyessy et al., "
        "Evaluation of the Azure Kinect and its comparison to Kinect V1 and V2, Sensors 21, 2021; noise, field fitted",
        focal=504.0,
        half_width=320 / 504,
        field=0.557,
        near=0.25,
        far=5.46,
        unit=0.001,
        white=0.0004,
        floor=0.0003,
        edge=1.5,
        mixed=1.0,
        holes=0.001,
        grazing=0.8,
        multipath=0.03,
        wiggle=0.001,
    ),
    "d435": Preset(
        kind="stereo",
        source="Keselman et al. 2017 (1/32 pixel steps, RMS error model); Intel RealSense D400 data sheet (50 mm); "
        "noise fitted",
        focal=390.0,
        half_width=320 / 390,
        near=0.2,
        far=10.0,
        unit=0.001,
        baseline=0.050,
        white=0.012 / _D435,
        bumps=0.07 / _D435,
        step=1 / 32 / _D435,
        edge=1.0,
        mixed=0.5,
        holes=0.003,
        grazing=0.7,
        fatten=1.5,
        vanish=0.1,
    ),
    "zed2": Preset(
        kind="stereo",
        source="Stereolabs ZED 2 data sheet (120 mm, 0.3 to 20 m); no published noise model: smoother and denser "
        "than the D435 by assumption",
        focal=530.0,
        half_width=640 / 530,
        near=0.3,
        far=20.0,
        unit=0.001,
        baseline=0.120,
        white=0.01 / _ZED2,
        bumps=0.12 / _ZED2,
        edge=0.3,
        mixed=0.5,
        holes=0.001,
        grazing=0.3,
        fatten=2.5,
        vanish=0.15,
    ),
    "oak_d": Preset(
        kind="stereo",
        source="Luxonis documentation, Configuring stereo depth (75 mm, 882.5 pixels at 800P, so 441 at 400P; "
        "95 disparities, so 0.35 m; 1/8 pixel with 3 fractional bits); noise by assumption",
        focal=441.0,
        half_width=320 / 441,
        near=0.35,
        far=12.0,
        unit=0.001,
        baseline=0.075,
        white=0.03 / _OAK_D,
        bumps=0.10 / _OAK_D,
        step=1 / 8 / _OAK_D,
        edge=1.0,
        mixed=0.5,
        holes=0.01,
        grazing=0.7,
        fatten=2.0,
        vanish=0.1,
    ),
    "perfect": Preset(kind="generic", source="no fault at all"),
}
