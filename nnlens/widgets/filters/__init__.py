"""The filters of a layer: the bank, one filter, and what it responds to."""
