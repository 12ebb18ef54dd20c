"""Functions that workers of Ray import: they note who called them, and one dies once."""

import os
import time
from pathlib import Path

import numpy as np


def callers(folder):
    """The masks that each process was asked for, by its number."""
    return {
        file.name: file.read_text().split()
        for file in Path(folder).iterdir()
        if file.name.isdecimal()
    }


class Noted:
    """A function of masks, of which every mask is noted in a folder."""

    identity = "noted v1"

    def __init__(self, folder, seconds=0.002, dies_at=None, together=0, weight=1.5):
        self.folder, self.seconds, self.dies_at = folder, seconds, dies_at
        self.together, self.weight = together, weight

    def __call__(self, masks):
        with (Path(self.folder) / f"{os.getpid()}").open("a") as file:
            file.writelines(f"{mask.tobytes().hex()}\n" for mask in masks)
        until = time.monotonic() + 60
        # A machine that is busy may start one worker long after the other.
        while len(callers(self.folder)) < self.together and time.monotonic() < until:
            time.sleep(0.01)
        marker = Path(self.folder) / "died"
        if self.dies_at is not None and len(masks) >= self.dies_at:
            try:
                marker.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), 9)
        time.sleep(self.seconds * len(masks))
        return np.array(
            [m[0] * m[1] * self.weight - m[2] + m.sum() / 7 for m in masks.astype(float)]
        )
