"""Functions that workers of Ray import: they note who called them, and one dies once."""

import os
import time
from pathlib import Path

import numpy as np


class Noted:
    """A function of masks, of which every mask is noted in a folder."""

    identity = "noted v1"

    def __init__(self, folder, seconds=0.002, dies_at=None):
        self.folder, self.seconds, self.dies_at = folder, seconds, dies_at

    def __call__(self, masks):
        with (Path(self.folder) / f"{os.getpid()}").open("a") as file:
            file.writelines(f"{mask.tobytes().hex()}\n" for mask in masks)
        marker = Path(self.folder) / "died"
        if self.dies_at is not None and len(masks) >= self.dies_at:
            try:
                marker.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), 9)
        time.sleep(self.seconds * len(masks))
        return np.array([m[0] * m[1] * 1.5 - m[2] + m.sum() / 7 for m in masks.astype(float)])
