"""The linear pieces of a network in a plane, also while it is trained."""
