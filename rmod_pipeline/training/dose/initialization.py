"""The first weights: tokens that the codec holds for alike begin alike, on their way in and on their way out.

From noise a model has to find out of pairs alone which of 9 x 1024 tokens are neighbours, and learns thousands of pairs
by heart before it does. The codec knows: each code is a direction to be compared with, and adds a vector to the latent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rmod_pipeline.codec import Codec
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.draw import Draw

LATENT, OWN, NOISE = 0.5, 0.2, 0.15
"""Shares of a token's first embedding: what its code adds to the latent, by one projection for all codebooks; its
direction, by a projection of each codebook's own; noise, relative to a beginning from noise alone."""
HEAD = 2.0
"""The spread of the first logits."""


@torch.no_grad()
def begin_with_codebooks(model: Dose, codec: Codec, seed: int) -> None:
    """Set a model's embeddings and head from the codebooks of the codec whose tokens it is to speak."""
    known = codec.codebooks()
    entries, latents = torch.from_numpy(known.entries), torch.from_numpy(known.latents)
    entries = entries - entries.mean(1, keepdim=True)
    # The first codebook's spread is the unit; later ones add less and less to the latent.
    latents = latents * (latents.shape[2] ** 0.5 / latents[0].std(0).norm())
    generator = torch.Generator().manual_seed(Draw.of("dose codebooks", seed).bits(1)[0] >> 1)
    width = model.size.width
    heard = latents @ (torch.randn(latents.shape[2], width, generator=generator) * latents.shape[2] ** -0.5)
    rows = model.head.weight.unflatten(0, (model.size.codebooks, model.size.vocabulary))
    for book, tokens in enumerate(model.tokens):
        own, told = (entries[book] @ torch.randn(entries.shape[2], width, generator=generator) for _ in range(2))
        embedding: Tensor = tokens.get_parameter("weight")
        embedding.mul_(NOISE)
        # Token 0 is no code.
        embedding[1:] += LATENT * heard[book] + OWN * own
        rows[book, 1:] += told * (HEAD * width**-0.5)
