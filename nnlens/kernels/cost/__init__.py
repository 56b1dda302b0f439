"""What a forward pass costs: parameters, FLOPs, time and memory of every operation."""
