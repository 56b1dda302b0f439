"""Small helpers that know nothing of networks: files, caches, suggestions for misspelt names."""
