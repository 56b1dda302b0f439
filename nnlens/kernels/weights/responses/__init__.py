"""What filters do in the network: what they read from the input, and how they respond to test patterns."""
