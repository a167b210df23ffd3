"""Evaluate models: how near extracted one-shots are to the true ones, and how much a model uses the mixture."""
