"""Published results on the datasets, to be printed beside ours.

Rows whose released files of joints could be had are computed from these files, as ``v2v evaluate`` does it; the others
are as printed. Figures are mean errors in mm for hands and mAP@10cm in percent for ITOP.
"""

from __future__ import annotations

from dataclasses import dataclass

FILE = "its released file"
OWN = "its authors"
V2V = "the table of V2V-PoseNet's authors"
A2J = "the table of A2J's authors"
A2JT = "the table of A2J-Transformer's authors"
SRN = "a figure of SRN's authors"
AWESOME = "the list awesome-hand-pose-estimation"

TRUE_CENTERS = "crops around the true joints, also of test images"

# The columns of ITOP's table (Haque et al., ECCV 2016); names are those of metrics.BODY_PARTS.
ITOP_PARTS = ("head", "neck", "shoulders", "elbows", "hands", "torso", "hips", "knees", "feet")


@dataclass(frozen=True)
class PublishedRow:
    """A method's figure on a dataset.

    Attributes:
        method: Name that its authors gave it.
        figure: Mean error in mm, or mAP@10cm in percent for ITOP.
        source: Origin of the figure: its publication, or the file it was computed from.
        median_mm: Median error in mm; None where the method's file was not at hand.
        ensemble: Whether several networks or epochs are averaged; None: not known.
        not_comparable: Reason why it does not compare with the others; empty: it does.
        note: Remark that a reader should know.
        parts: ITOP's rows in percent, of ``ITOP_PARTS``.
    """

    method: str
    figure: float
    source: str
    median_mm: float | None = None
    ensemble: bool | None = None
    not_comparable: str = ""
    note: str = ""
    parts: tuple[float, ...] = ()


def _files(text: str, **more: str) -> list[PublishedRow]:
    """Return rows ``method mean [median]`` that were computed from released files."""
    rows = []
    for line in text.strip().splitlines():
        method, *figures = (each.strip() for each in line.split("|"))
        median = float(figures[1]) if len(figures) > 1 else None
        rows.append(PublishedRow(method, float(figures[0]), FILE, median, **more))  # type: ignore[arg-type]
    return rows


def _listed(source: str, text: str) -> list[PublishedRow]:
    """Return rows ``method mean`` of somebody's table."""
    pairs = (line.split("|") for line in text.strip().splitlines())
    return [PublishedRow(method.strip(), float(figure), source) for method, figure in pairs]


_ICVL = [
    PublishedRow("V2V-PoseNet", 6.284, FILE, 5.29, ensemble=True, note="6 estimates averaged; its authors print 6.28"),
    *_files("""
        TriHorn-Net | 5.736 | 4.65
        HandFolding | 5.958 | 4.78
        SRNet | 6.152 | 5.13
        Point-to-Point | 6.328 | 5.26
        A2J | 6.461 | 5.19
        CrossInfoNet | 6.732 | 5.58
        Pose-REN | 6.791 | 5.63
        HandPointNet | 6.935 | 5.71
        SHPR-Net | 7.219 | 5.97
        DenseReg | 7.239 | 6.08
        REN-9x6x6 | 7.305 | 5.93
        REN-4x6x6 | 7.628 | 6.23
        Guo baseline | 8.358 | 6.90
        DeepModel | 11.561 | 9.60
        LRF | 12.578 | 9.56
    """),
    *_files(
        """
        Virtual view selection, 15 of 25 views | 4.768 | 3.96
        Virtual view selection, 9 views | 4.781
        Virtual view selection, 25 views | 4.792
        Virtual view selection, 3 views | 4.863
        Virtual view selection, 1 view | 5.163
        """,
        not_comparable=TRUE_CENTERS,
    ),
    *_listed(SRN, "SRN | 6.27"),
    *_listed(
        V2V,
        """
        Hand3D | 10.9
        CDO | 10.5
        DeepPrior | 10.4
        CrossingNets | 10.2
        Cascade | 9.9
        JTSC | 9.16
        DeepPrior++ | 8.1
        """,
    ),
]

_NYU = [
    PublishedRow("V2V-PoseNet", 8.419, FILE, 5.80, ensemble=True, note="11 estimates averaged; its authors print 8.42"),
    PublishedRow("V2V-PoseNet, single network", 9.22, A2J, ensemble=False, note="35 frames/s"),
    *_files("""
        TriHorn-Net | 7.676 | 5.47
        AWR, hourglass-1 | 7.700 | 5.52
        AWR, ResNet-18 | 7.754
        A2J | 8.610 | 6.32
        Point-to-Point | 9.045 | 6.50
        SRNet | 9.173 | 6.24
        SHPR-Net, three views | 9.371 | 6.91
        WHSP-Net | 9.421 | 6.67
        MURAUER | 9.466 | 7.48
        CrossInfoNet | 10.078 | 7.70
        DenseReg | 10.214 | 7.24
        HandPointNet | 10.540 | 7.59
        SHPR-Net, frontal view | 10.775 | 7.86
        Generalized Feedback | 10.894 | 8.33
        Pose-REN | 11.811 | 8.15
        DeepPrior++ | 12.238 | 9.03
        REN-9x6x6 | 12.694 | 9.41
        REN-4x6x6 | 13.393 | 10.08
        3DCNN | 14.113 | 10.43
        Lie-X | 14.507 | 10.61
        Guo baseline | 14.588 | 11.09
        Feedback | 15.973 | 12.27
        DeepModel | 17.036 | 12.21
        DeepPrior, refined | 19.726 | 12.88
        DeepPrior | 20.750 | 14.85
    """),
    PublishedRow("Feature Mapping", 7.441, FILE, 5.92, note="trained on synthetic images as well"),
    *_files(
        """
        Virtual view selection, 25 views | 6.398 | 4.81
        Virtual view selection, 15 of 25 views | 6.409
        Virtual view selection, 9 views | 6.529
        Virtual view selection, 3 views | 6.822
        Virtual view selection, 1 view | 7.321
        """,
        not_comparable=TRUE_CENTERS,
    ),
    *_listed(SRN, "SRN | 7.79"),
    *_listed(A2JT, "JGR-P2O | 8.29\nA2J-Transformer | 8.43"),
    *_listed(OWN, "Structure-aware 3D hourglass | 8.9"),
    *_listed(V2V, "DISCO | 20.7\nHand3D | 17.6\nJTSC | 16.8\nGlobal-to-Local | 15.60"),
]

_OTHER_VERSION = "76,391 frames; most others have the older version of 76,375"
_MSRA = [
    PublishedRow("V2V-PoseNet", 7.59, OWN, note=f"{_OTHER_VERSION}; SRN's authors computed 7.49"),
    *_listed(AWESOME, "TriHorn-Net | 7.13\nREN-9x6x6 | 9.792"),
    *_listed(SRN, "SRN, ResNet-50 | 7.17"),
    *_listed(OWN, "Structure-aware 3D hourglass | 7.4"),
    *_listed(
        AWESOME,
        """
        DenseReg | 7.234
        Point-to-Point | 7.707
        SHPR-Net | 7.756
        CrossInfoNet | 7.862
        SRNet | 7.985
        HandPointNet | 8.505
        Pose-REN | 8.649
        3DCNN | 9.584
        """,
    ),
    *_listed(
        V2V,
        """
        DeepPrior++ | 9.5
        CrossingNets | 12.2
        Occlusion | 12.8
        MultiView | 13.2
        Cls-Guide | 13.7
        Cascade | 15.2
        """,
    ),
]

_HANDS2017 = [
    PublishedRow("A2J-Transformer", 8.32, A2JT),
    PublishedRow("A2J", 8.57, A2J, note="6.92 on seen, 9.95 on unseen subjects"),
    PublishedRow("V2V-PoseNet", 9.95, V2V, note="first of the challenge; 6.97 on seen, 12.43 on unseen subjects"),
    PublishedRow("RCN-3D (NVResearch and UMontreal)", 9.97, A2J, note="10.18 in the challenge"),
    *_listed(
        V2V,
        """
        NTU | 11.30
        THU VCLab | 11.70
        NAIST RVLab | 11.90
        IMI | 11.91
        Gorgeous | 13.91
        NAIST G2 | 14.57
        HuPBA | 14.74
        HCR | 15.70
        maxo | 16.88
        AwesomeHands | 18.57
        Baseline of the challenge | 19.71
        quanlemanh | 29.95
        cngalaxy | 39.00
        """,
    ),
]


def _itop(text: str) -> list[PublishedRow]:
    """Return rows ``method | mAP | parts`` of the table of V2V-PoseNet's authors."""
    rows = []
    for line in text.strip().splitlines():
        method, figure, parts = (each.strip() for each in line.split("|"))
        rows.append(PublishedRow(method, float(figure), V2V, parts=tuple(map(float, parts.split()))))
    return rows


def _a2j(figure: float, source: str, *joints: float) -> PublishedRow:
    return PublishedRow("A2J", figure, source, parts=joints)


_ITOP_SIDE = [
    *_itop("""
        V2V-PoseNet | 88.74 | 98.29 99.07 97.18 80.42 67.26 98.73 93.23 91.80 87.6
        REN-9x6x6 | 84.9 | 98.7 99.4 96.1 74.7 55.2 98.7 91.8 89.0 81.1
        Viewpoint-invariant (VI) | 77.4 | 98.1 97.5 96.5 73.3 68.7 85.6 72.0 69.0 60.8
        Iterative error feedback (IEF) | 71.0 | 96.2 85.2 77.2 45.4 30.9 84.7 83.5 81.8 80.9
        Random tree walk (RTW) | 80.5 | 97.8 95.8 94.1 77.9 70.5 93.8 80.3 68.8 68.4
        Random forest (RF) | 65.8 | 63.8 86.4 83.3 73.2 51.3 65.0 50.8 65.7 61.3
    """),
    _a2j(88.02, FILE, 98.54, 99.20, 96.23, 78.92, 68.35, 98.52, 90.85, 90.75, 86.91),
    PublishedRow("SPiKE", 89.19, OWN, not_comparable="sees past frames too, and has not the same test frames"),
]
_ITOP_TOP = [
    *_itop("""
        V2V-PoseNet | 83.44 | 98.4 98.91 96.87 79.16 62.44 97.78 86.91 83.28 69.62
        REN-9x6x6 | 75.5 | 98.2 98.9 96.6 74.4 50.7 98.1 85.5 70.0 41.6
        Viewpoint-invariant (VI) | 75.5 | 98.1 97.6 96.1 86.2 85.5 72.9 61.2 51.6 51.5
        Iterative error feedback (IEF) | 51.2 | 83.8 50.0 67.3 40.2 39.0 30.5 38.9 54.0 62.4
        Random tree walk (RTW) | 68.2 | 98.4 82.2 91.8 80.1 76.9 68.2 55.7 53.9 28.7
        Random forest (RF) | 47.4 | 95.4 98.5 89.0 57.4 49.1 80.5 20.0 2.6 0.0
    """),
    _a2j(80.5, OWN, 98.38, 98.91, 96.26, 75.88, 59.35, 97.82, 86.88, 79.66, 58.34),
]

PUBLISHED: dict[str, tuple[PublishedRow, ...]] = {
    "icvl": tuple(_ICVL),
    "nyu": tuple(_NYU),
    "msra": tuple(_MSRA),
    "hands2017": tuple(_HANDS2017),
    "itop_side": tuple(_ITOP_SIDE),
    "itop_top": tuple(_ITOP_TOP),
}
