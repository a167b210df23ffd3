"""The DOSE model: predict the tokens of a dry one-shot from the tokens of a mixture.

This room holds token layout, model, loss, generation and checkpoints. It knows nothing of data sets and training loops:
functions take and return arrays. The model is reimplemented from arXiv 2504.18157; comments say where it differs.
"""
