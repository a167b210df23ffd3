"""rmod: training data for models that pull drum one-shots out of finished music.

The story in one line, one room of this package for each arrow:

    library + recipe -> PairSpec -> Pair -> shard + receipt -> release

``docs/explanation/architecture.md`` walks through the rooms.
"""

__version__ = "0.1.0"

OUTPUT_VERSION = 1
"""Rises whenever the bytes of a default build change, so that a resume never mixes two outputs."""
