"""Write shards: tars of pairs and of tokens, their index, and the receipts that say which shards are done."""
