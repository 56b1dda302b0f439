"""Attributions: how much each place of an input contributes to a score, by many methods, with evidence."""
