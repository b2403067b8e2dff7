"""A real Ray cluster on one machine: a head, and nodes that can be added and killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolo_dropout.executors.ray import connected

SMALL = {"object_store_memory": 100 * 2**20}


class SmallCluster:
    """A cluster whose nodes each keep a cache of their own, as machines do."""

    def __init__(self, root: Path) -> None:
        from ray.cluster_utils import Cluster

        self.root, self._n = root, 0
        # Without what watches a cluster: each would be an interpreter more that starts.
        unwatched = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        head = {"num_cpus": 1, "env_vars": self._variables(), **unwatched, **SMALL}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address

    def cache(self, node: int) -> Path:
        return self.root / f"cache-{node}"

    def add(self, cpus: int = 1) -> Any:
        return self._cluster.add_node(num_cpus=cpus, env_vars=self._variables(), **SMALL)

    def _variables(self) -> dict[str, str]:
        """What the next node is started with: the fakes must be importable there, as this package is."""
        self._n += 1
        python_path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        return {"YOLO_DROPOUT_CACHE": str(self.cache(self._n)), "PYTHONPATH": python_path}

    def kill(self, node: Any) -> None:
        """As if somebody had pulled the plug."""
        self._cluster.remove_node(node, allow_graceful=False)

    @staticmethod
    def raylet(node: Any) -> int:
        """Process id of a node's raylet, which is what a node is."""
        return int(node.all_processes["raylet"][0].process.pid)

    def end(self) -> None:
        self._cluster.shutdown()


@contextmanager
def small_cluster(root: Path, nodes: int) -> Iterator[SmallCluster]:
    cluster = SmallCluster(root)
    try:
        for _ in range(nodes - 1):  # the head is one
            cluster.add()
        with connected(cluster.address):
            yield cluster
    finally:
        cluster.end()
