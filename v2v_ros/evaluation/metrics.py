"""Errors of joints against the truth."""

from __future__ import annotations

import torch


def joint_errors(joints: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Euclidean distances [..., J] in the unit of the joints [..., J, 3]; NaN where either is."""
    return (joints - truth).norm(dim=-1)


def success_rate(errors: torch.Tensor, threshold: float) -> float:
    """Share of frames of errors [F, J] whose worst joint is within the threshold (Taylor et al., CVPR 2012)."""
    return (errors.amax(dim=1) < threshold).float().mean().item()
