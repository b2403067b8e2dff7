"""Runs on a Ray cluster, without a shared disk."""

from yolo_dropout.executors.ray.executor import RayExecutor, connected

__all__ = ["RayExecutor", "connected"]
