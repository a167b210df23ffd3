"""Train DOSE: read tokens, make batches, take steps, write checkpoints, and compare with a baseline.

``train.py`` is the place to start reading. lightning drives devices and loops; the order of pairs and the content of
files are decided here, so that an interrupted and resumed training gives the same result as an uninterrupted one.
"""
