"""Note patterns that people played: MIDI performances, their manifest, and the windows that pairs take from them."""
