"""What the output head would predict at every depth."""
