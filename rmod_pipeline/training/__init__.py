"""Train models: one room for codecs, one for DOSE, one for what trainings share. Everything here may import torch."""
