# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Who publishes what: why no images come, seen from the graph of nodes and topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
COMPRESSED_SUFFIX = "/compressedDepth"

_SIMILAR = 0.8  # ratio of SequenceMatcher from which a name is taken for misspelt
_NOT_DEPTH = ("color", "colour", "rgb", "infra", "mono", "gray", "grey", "confidence")


@dataclass(frozen=True)
class End:
    """A publisher, or a subscription of this node.

    Attributes:
        type: Message type, such as ``sensor_msgs/msg/Image``.
        reliability, durability: Policies as in the parameters ``qos_overrides``: ``best_effort`` or ``reliable``,
            ``volatile`` or ``transient_local``.
        node: Name with namespace.
    """

    type: str = IMAGE
    reliability: str = "best_effort"
    node: str = ""
    durability: str = "volatile"

    @staticmethod
    def of(kind: str, qos: QoSProfile, node: str = "") -> End:
        return End(kind, qos.reliability.name.lower(), node, qos.durability.name.lower())


@dataclass(frozen=True)
class Graph:
    """Topics and publishers that the middleware has discovered; empty when nobody had to look.

    Attributes:
        images, infos: Publishers of the node's topics, whatever their type.
        topics: Type by name of the topics of images and camera_info that somebody publishes.
    """

    images: tuple[End, ...] = ()
    infos: tuple[End, ...] = ()
    topics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """A topic that may have been meant.

    Attributes:
        topic: Name of the topic.
        transport: Value of ``depth_transport`` with which the node reads it; empty for camera_info.
    """

    topic: str
    transport: str = ""

    @property
    def base(self) -> str:
        """The name without the suffix of the transport, as the launch files take it."""
        return self.topic.removesuffix(COMPRESSED_SUFFIX)


def look(node: Node, image_topic: str, info_topic: str) -> Graph:
    """Ask the middleware for what it has discovered, which waits for nobody.

    Args:
        image_topic, info_topic: Names of the topics after remapping.
    """
    kinds = (IMAGE, COMPRESSED, INFO)
    found = {
        name: next(kind for kind in types if kind in kinds)
        for name, types in node.get_topic_names_and_types()
        if any(kind in kinds for kind in types) and node.count_publishers(name)
    }
    return Graph(_publishers(node, image_topic), _publishers(node, info_topic), found)


def _publishers(node: Node, topic: str) -> tuple[End, ...]:
    return tuple(
        End.of(one.topic_type, one.qos_profile, f"{one.node_namespace.rstrip('/')}/{one.node_name}")
        for one in node.get_publishers_info_by_topic(topic)
    )


def subscribed(subscriptions: Iterable[Subscription], topic: str) -> End:
    """Return the node's end of a topic, with its quality of service as parameters may have changed it."""
    for one in subscriptions:
        if one.topic_name == topic:
            kind: Any = one.msg_type  # a class such as sensor_msgs.msg._image.Image
            return End.of(f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}", one.qos_profile)
    return End()


def deaf(publisher: End, subscription: End) -> str:
    """Return the policy in which the subscription asks for more than the publisher offers, so that nothing arrives; or
    empty.

    No other policy can be in the way: the node asks for the least of each, and parameters change only these two,
    history and depth, which need not match.
    """
    if publisher.reliability == "best_effort" and subscription.reliability == "reliable":
        return "reliability"
    if publisher.durability == "volatile" and subscription.durability == "transient_local":
        return "durability"
    return ""


def image_proposals(wanted: str, kind: str, topics: Mapping[str, str]) -> list[Proposal]:
    """Topics that look like depth images, the likeliest first.

    Args:
        wanted: Name of the topic that the node reads.
        kind: Type of that topic, :data:`IMAGE` or :data:`COMPRESSED`.
        topics: Types by name of topic, as in :class:`Graph`.
    """
    own, other = ("raw", "compressedDepth") if kind == IMAGE else ("compressedDepth", "raw")
    proposals = [Proposal(name, "raw") for name, type_ in topics.items() if type_ == IMAGE]
    proposals += [
        Proposal(name, "compressedDepth")
        for name, type_ in topics.items()
        if type_ == COMPRESSED and name.endswith(COMPRESSED_SUFFIX)
    ]
    known = {(one.base, one.transport): one for one in proposals if (one.topic, one.transport) != (wanted, own)}
    names = _nearest(wanted.removesuffix(COMPRESSED_SUFFIX), {base for base, _ in known})
    return [known[name, transport] for name in names for transport in (own, other) if (name, transport) in known]


def info_proposals(wanted: str, image_topic: str, topics: Mapping[str, str]) -> list[Proposal]:
    """Topics of camera_info, the one beside the depth image first."""
    names = {name for name, kind in topics.items() if kind == INFO and name != wanted}
    folder = image_topic.removesuffix(COMPRESSED_SUFFIX).rpartition("/")[0]
    beside = [name for name in (f"{folder}/camera_info",) if name in names]
    return [Proposal(name) for name in (*beside, *(name for name in _nearest(wanted, names) if name not in beside))]


def _nearest(wanted: str, names: Iterable[str]) -> list[str]:
    """Return names with "depth" in them; if there are none, those that ``wanted`` may misspell. The most similar
    first."""
    ratio = {name: SequenceMatcher(None, wanted.lower(), name.lower()).ratio() for name in names}
    nearest = sorted(ratio, key=lambda name: (-ratio[name], name))
    if depth := [name for name in nearest if "depth" in name.lower()]:
        return depth
    return [
        name for name in nearest if ratio[name] >= _SIMILAR and not any(word in name.lower() for word in _NOT_DEPTH)
    ]
