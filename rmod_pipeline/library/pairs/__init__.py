"""Read anyone's folder of pairs, or of answers: which file is which sound of which pair, and what stands beside it."""
