"""DOSE: tokens of a mixture -> tokens of the dry one-shot. Layout, model, loss, generation, checkpoints, extraction.

Knows nothing of data sets or of training: arrays in, arrays out; extraction takes a song. The model of
arXiv 2504.18157, reimplemented from the paper; what differs from it stands beside the line.
"""
