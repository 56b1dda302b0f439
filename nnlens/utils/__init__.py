"""Small helpers that know nothing of networks: files, caches, suggestions for misspelt names, requirements.

Every part of nnlens imports this package first, so a PyTorch that is too old is rejected here.
"""

import torch

from .requirements import check_torch

check_torch(torch.__version__)
