"""Build data sets: plan shards, make them on one machine or on a cluster, and publish each with a receipt."""
