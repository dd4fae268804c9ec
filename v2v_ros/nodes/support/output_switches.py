# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The optional outputs of the pose node that a parameter switches on: each is a row here and the class that it names.

Launch files read this table too, and the Python that runs them need not have what the nodes need.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputSwitch:
    """An optional output, its parameter and its launch argument.

    Attributes:
        name: Name of the parameter and of the launch argument.
        text: Description of what is published, and where.
        maker: Module of ``nodes/outputs/`` and what makes the :class:`OptionalOutput` there, such as
            ``keep_out.KeepOut``. A name, since importing it would need ROS.
        given: Names of what the maker is given, of those that ``Outputs`` has: ``advertise``, ``tf`` (publisher),
            ``skeleton``, ``name`` (of the node) and ``logger``.
        skeleton: Name of the skeleton that it needs; empty: any will do.
    """

    name: str
    text: str
    maker: str
    given: tuple[str, ...] = ("advertise",)
    skeleton: str = ""

    @property
    def description(self) -> str:
        """Description of the parameter and of the launch argument, without a full stop."""
        return f"{self.text}; with skeleton {self.skeleton}" if self.skeleton else self.text


OUTPUT_SWITCHES = (
    OutputSwitch(
        "publish_joint_states",
        "Publish the angles of hands on ~/left/joint_states and ~/right/joint_states",
        "one_hand.joint_states",
        skeleton="hand21",
    ),
    OutputSwitch(
        "publish_palms",
        "Publish the poses of palms on ~/left/palm and ~/right/palm",
        "one_hand.palms",
        skeleton="hand21",
    ),
    OutputSwitch(
        "publish_humans",
        "Publish bodies as REP 155 names them: TF frames body_<id> and /humans/bodies/tracked",
        "humans.Humans",
        ("advertise", "tf", "logger"),
        skeleton="body15",
    ),
    OutputSwitch(
        "publish_hull",
        "Publish hulls that robots must not enter: markers on ~/hull, and collision_object for MoveIt",
        "keep_out.KeepOut",
        ("advertise", "skeleton", "name", "logger"),
    ),
)
