"""Extract dry one-shots from songs: find windows with clear drum hits, generate candidates, rank them, write files."""
