"""How near an extracted one-shot is to the true one, beside simpler ways to guess it."""
