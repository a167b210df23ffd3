"""Fitting DOSE: recipe + token shards -> batches -> steps -> the best checkpoint, beside a baseline.

``train.py`` tells the story. lightning drives devices and loops; which pairs come when, and what is written down, is
decided here, so that a training that was stopped and gone on with is the same training.
"""
