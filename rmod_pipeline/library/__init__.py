"""Records and code that make, read and check libraries of sounds: scan, manifest, split, reading, built-in kit."""
