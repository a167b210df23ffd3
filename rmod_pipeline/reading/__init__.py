"""Read finished shards: loaders for training, single pairs by key."""
