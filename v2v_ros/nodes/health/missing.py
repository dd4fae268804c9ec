# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Why no depth images or no camera_info come, and what to do about it: sentences from the graph of topics."""

from __future__ import annotations

from .graph import COMPRESSED, COMPRESSED_SUFFIX, IMAGE, End, Graph, deaf, image_proposals, info_proposals

_TRANSPORTS = {IMAGE: "raw", COMPRESSED: "compressedDepth"}


def explain_images(graph: Graph, topic: str, name: str, own: End) -> str:
    """Return the cause that the graph shows, with its remedy; empty when it shows none.

    Args:
        topic: Name of the image topic after remapping.
        name: Name of that topic before remapping.
        own: Subscription of the node.
    """
    if not graph.images:
        return f"nobody publishes it; {_meant(graph, topic, name, own)}"
    if wrong := _wrong_type(graph.images, own):
        if wrong.type in _TRANSPORTS:
            remedy = f"start the node with {_arguments(topic, _TRANSPORTS[wrong.type], name)}"
        else:
            remedy = _meant(graph, topic, name, own)
        return f"{wrong.node} publishes {wrong.type} there, but this node reads {own.type}; {remedy}"
    return _unheard(graph.images, topic, own)


def explain_infos(graph: Graph, topic: str, image_topic: str, own: End) -> str:
    """As :func:`explain_images`, for camera_info."""
    if wrong := _wrong_type(graph.infos, own):
        return (
            f"{wrong.node} publishes {wrong.type} there, but this node reads {own.type}; remap depth/camera_info to "
            "the camera's topic (launch argument info_topic)"
        )
    if graph.infos:
        return _unheard(graph.infos, topic, own)
    if proposals := info_proposals(topic, image_topic, graph.topics):
        meant = proposals[0].topic
        return (
            f"nobody publishes it; did you mean {meant}? Set the launch argument info_topic:={meant}, or start the "
            f"node with --ros-args -r depth/camera_info:={meant}"
        )
    return (
        "nobody publishes it; remap depth/camera_info to the camera's topic (launch argument info_topic), or make the "
        "camera publish it"
    )


def _wrong_type(publishers: tuple[End, ...], own: End) -> End | None:
    """Return a publisher of another type, when there is none of the right one."""
    if any(one.type == own.type for one in publishers):
        return None
    return publishers[0] if publishers else None


def _unheard(publishers: tuple[End, ...], topic: str, own: End) -> str:
    """Say that the quality of service of every publisher is incompatible; empty when one of them can be heard."""
    same_type = [one for one in publishers if one.type == own.type]
    if not all(deaf(one, own) for one in same_type):
        return ""
    one = same_type[0]
    policy = deaf(one, own)
    offered, wanted = getattr(one, policy), getattr(own, policy)
    return (
        f"its QoS is incompatible: {policy} is {offered} at {one.node}, {wanted} at this node; "
        f"start the node with --ros-args -p qos_overrides.{topic}.subscription.{policy}:={offered}, or make "
        f"the publisher {wanted}"
    )


def _meant(graph: Graph, topic: str, name: str, own: End) -> str:
    proposals = image_proposals(topic, own.type, graph.topics)
    if not proposals:
        return (
            "is the camera running, with the same ROS_DOMAIN_ID? Find its topic with: ros2 topic list, and give it as "
            f"launch argument depth_topic, or remap {name} to it"
        )
    best = proposals[0]
    if best.transport == _TRANSPORTS[own.type]:
        launch, arguments = f"argument depth_topic:={best.base}", f"--ros-args -r {name}:={best.topic}"
    else:
        launch = f"arguments depth_topic:={best.base} depth_transport:={best.transport}"
        arguments = _arguments(best.topic, best.transport, name)
    return f"did you mean {best.topic}? Set the launch {launch}, or start the node with {arguments}"


def _arguments(topic: str, transport: str, name: str) -> str:
    """Arguments with which the node reads a topic by another transport than it does now."""
    base = name.removesuffix(COMPRESSED_SUFFIX)
    name = base + COMPRESSED_SUFFIX if transport == "compressedDepth" else base
    return f"--ros-args -p depth_transport:={transport} -r {name}:={topic}"
