"""Everything linked: photograph, occluder, layers, mosaic, unit."""
