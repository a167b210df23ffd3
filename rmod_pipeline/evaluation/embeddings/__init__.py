"""Embeddings: networks that turn a sound into a vector, for the distances of whole sets of sounds (FAD and KAD)."""

from rmod_pipeline.evaluation.embeddings.base import Embedding
from rmod_pipeline.evaluation.embeddings.open import EMBEDDINGS, SHIPPED, open_embedding

__all__ = ["EMBEDDINGS", "SHIPPED", "Embedding", "open_embedding"]
