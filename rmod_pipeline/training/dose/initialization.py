"""Initialise a DOSE model so that tokens that sound alike start with similar embeddings and output weights.

From noise, the model must learn from pairs alone which of 9 x 1024 tokens are similar, and it memorises thousands of
pairs before it does. The codec knows: each code has a direction, by which it is looked up, and a vector, which it adds
to the latent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rmod_pipeline.codec import Codec
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.draw import Draw

LATENT, DIRECTION, NOISE = 0.5, 0.2, 0.15
"""Scales of the parts of a token's first embedding: the vector that its code adds to the latent, in one projection for
all codebooks; its direction, in a projection per codebook; and noise, relative to an initialisation by noise alone."""
HEAD = 2.0
"""Standard deviation of the first logits."""


@torch.no_grad()
def initialize_from_codebooks(model: Dose, codec: Codec, seed: int) -> None:
    """Set the first weights of a model's embeddings and head from the codebooks of the codec that made its tokens."""
    codebooks = codec.codebooks()
    entries, latents = torch.from_numpy(codebooks.entries), torch.from_numpy(codebooks.latents)
    entries = entries - entries.mean(1, keepdim=True)
    # Scaled to unit spread of the first codebook; later codebooks add less and less to the latent.
    latents = latents * (latents.shape[2] ** 0.5 / latents[0].std(0).norm())
    generator = torch.Generator().manual_seed(Draw.of("dose codebooks", seed).bits(1)[0] >> 1)
    width = model.size.width
    projected = latents @ (torch.randn(latents.shape[2], width, generator=generator) * latents.shape[2] ** -0.5)
    head = model.head.weight.unflatten(0, (model.size.codebooks, model.size.vocabulary))
    for book, tokens in enumerate(model.tokens):
        directions, outputs = (
            entries[book] @ torch.randn(entries.shape[2], width, generator=generator) for _ in range(2)
        )
        embedding: Tensor = tokens.get_parameter("weight")
        embedding.mul_(NOISE)
        # Token 0 means "no code" and has no entry.
        embedding[1:] += LATENT * projected[book] + DIRECTION * directions
        head[book, 1:] += outputs * (HEAD * width**-0.5)
