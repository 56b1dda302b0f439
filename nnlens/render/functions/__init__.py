"""Payloads and pictures of views that show the network as a function."""

from .regions import points_payload, regions_image, regions_payload, samples_image, samples_payload

__all__ = ["points_payload", "regions_image", "regions_payload", "samples_image", "samples_payload"]
