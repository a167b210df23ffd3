"""What every training shares: the trainer, its loop and intervals, checkpoints, resume, progress and baselines.

``module.py`` says what a training has to bring, and ``fit.py`` runs one. lightning drives devices and loops; the order
of pairs and the content of files are decided here, so that an interrupted and resumed training gives the same result
as an uninterrupted one.
"""
