"""A data set that takes its time, so that a search in it can be stopped."""

from __future__ import annotations

import time


class Slow:
    """Pictures that take 20 ms each."""

    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, item):
        time.sleep(0.02)
        return self.pictures[item]
