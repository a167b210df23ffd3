"""Verify the tokens of a data set: checksums, shapes, value ranges, and that they belong to its pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.inspection.verify_windows import WindowCheck, has_valid_frames
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.layout import TOKENS
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family
from rmod_pipeline.shards.tokens import decode_codes


class TokenCheck(WindowCheck[TokenFamily]):
    """Check every family of tokens of a data set."""

    top: ClassVar[str] = TOKENS
    description: ClassVar[str] = "codec.json"
    command: ClassVar[str] = "encode"

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs by family, in the report."""
        return self._report.tokens

    def names(self) -> list[str]:
        """Return the names of the families."""
        return family_names(self._layout.out)

    def read(self, name: str) -> TokenFamily:
        """Read a codec.json. Raises ShardError."""
        return read_family(self._layout.out, name)

    def make_family(self, recipe: Recipe, family: TokenFamily) -> TokenFamily:
        """Return the family as the recipe has it. Raises RmodError, ValueError, KeyError, TypeError."""
        return TokenFamily.of(recipe, family.codec, family.build)

    def check_sound(self, sound: str, data: bytes, family: TokenFamily, about: str) -> Iterator[Finding]:
        """Yield what is wrong with the tokens of a sound. Raises ShardError."""
        codes, (books, size) = decode_codes(data, f"{about}.{sound}.npy"), family.shape
        shape = (books, family.windows[sound])
        if codes.shape != shape:
            found = f"{sound} is {list(codes.shape)}, codec.json requires {list(shape)}"
            yield Finding(about=about, found=found)
        elif codes.size and int(codes.max()) >= size:
            yield Finding(about=about, found=f"{sound} has token {codes.max()}, the codebooks hold 0 to {size - 1}")

    def matches_family(self, text: bytes, family: TokenFamily) -> bool:
        """Return whether the JSON of a pair names the codec, and has valid frames of every sound."""
        try:
            tokens = json.loads(text)["tokens"]
            return bool(tokens["codec"] == family.name and has_valid_frames(tokens["frames"], family))
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
