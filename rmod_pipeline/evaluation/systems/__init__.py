"""Ways to answer a mixture with a one-shot: models, simpler systems, ceilings, and the answers of other programs."""
