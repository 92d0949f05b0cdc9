"""Puts a copy of a shard in order, as a process of its own: `python -m … SHARD COLLECTION_JSON [--graph]`.

Removed points give back their space, segments become one and, with ``--graph``, dense vectors get a graph (HNSW). Exits
with 0 when the copy is better than before, with 3 when there was nothing to do. It runs at the lowest priority and on
one thread: searches go first.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import qdrant_edge as edge
from qdrant_client.http import models

from adapters.embedded.qdrant_config import edge_config

NOTHING_TO_DO: Final = 3
_NICENESS: Final = 15
_GRAPH_FROM_KIB: Final = 100  # of vectors in a segment; smaller ones are scanned as fast
_NEVER_KIB: Final = 10**9
# Edges a node and candidates looked at while building; a search looks at as many. With 100,000 vectors in 500 clusters
# the 10 best are then the exact ones.
_M: Final = 16
_EF_CONSTRUCT: Final = 128
_FULL_SCAN_KIB: Final = 10_000  # what a filter leaves over is scanned when it is less than this


def main(arguments: list[str] | None = None) -> int:
    """0: done; 3: nothing to do; whatever else: the copy is not to be used."""
    parser = argparse.ArgumentParser(description="Puts a copy of a shard in order.")
    parser.add_argument("shard", type=Path)
    parser.add_argument("collection", type=Path, help="the request that made the collection, as JSON")
    parser.add_argument("--graph", action="store_true", help="build graphs")
    options = parser.parse_args(arguments)
    os.nice(_NICENESS)
    made_by = models.CreateCollection.model_validate_json(options.collection.read_bytes())
    optimizers = edge.EdgeOptimizersConfig(
        default_segment_number=1, indexing_threshold=_GRAPH_FROM_KIB if options.graph else _NEVER_KIB
    )
    hnsw = edge.HnswIndexConfig(_M, _EF_CONSTRUCT, _FULL_SCAN_KIB, max_indexing_threads=1)
    shard = edge.EdgeShard.load(str(options.shard), edge_config(made_by, optimizers, hnsw=hnsw))
    improved = shard.optimize()
    shard.flush()
    shard.close()
    return 0 if improved else NOTHING_TO_DO


if __name__ == "__main__":
    sys.exit(main())
