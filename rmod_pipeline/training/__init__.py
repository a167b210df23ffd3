"""The loops that fit models. Everything here may import torch."""
