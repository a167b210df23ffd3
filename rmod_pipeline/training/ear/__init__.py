"""Train an ear: read features, make batches, compute losses, and compare with a baseline.

``train.py`` is the place to start reading. The loop, its checkpoints and its progress are in ``training/loop/``.
"""
