"""Train a small codec on this pipeline's own sounds: render material, cut crops, fit codebooks, write checkpoints."""
