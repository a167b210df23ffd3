"""Find sounds by ear: an index of what a classifier hears in a library, the nearest sounds, and a map of all."""
