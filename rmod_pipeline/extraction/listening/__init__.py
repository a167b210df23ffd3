"""Listen to a song: read it in blocks, find the hits of each drum, choose windows."""
