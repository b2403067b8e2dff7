"""Runs on a Ray cluster, without a shared disk."""

from __future__ import annotations

from yolo_dropout.executors.ray.cluster import connected
from yolo_dropout.executors.ray.executor import RayExecutor

__all__ = ["RayExecutor", "connected"]
