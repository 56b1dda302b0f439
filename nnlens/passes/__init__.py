"""Many forward passes over variations of one input, as fast as the model allows and checked against it."""
