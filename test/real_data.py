"""Where the real images are; tests that need them skip without."""

import os
from pathlib import Path

DATA = Path(os.environ.get('SQUEEZEDET_DATA', Path(__file__).parents[2] / 'shared' / 'data'))
