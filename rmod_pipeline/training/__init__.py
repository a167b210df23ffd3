"""Train models: one room for codecs, one for DOSE. Everything here may import torch."""
