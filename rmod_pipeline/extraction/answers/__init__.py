"""Answer with one-shots: generate or pick candidates, polish them, rank them."""
