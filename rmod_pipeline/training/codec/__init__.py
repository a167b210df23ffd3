"""Fitting a small codec to this pipeline's own sounds: CodecRecipe + libraries -> material -> crops -> checkpoint."""
