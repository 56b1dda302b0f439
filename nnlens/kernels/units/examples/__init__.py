"""The best inputs of units in a data set: one pass over it, in batches or in shards."""
