"""Times the way from the network's output to a message on one core; prints an object of JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
import json
import os
from pathlib import Path
import sys
from time import perf_counter

import numpy as np
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.ros.messages import class_ids, detections_to_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D

_WARM_UP = 3
# No two boxes overlap too much.
_SELECTION = SelectionConfig(plot_prob_thresh=0.0, nms_thresh=1.0)


def time_messages(
    detector: Detector, image_size: tuple[int, int], boxes: int, frames: int
) -> dict[str, float]:
    """
    Time decoding and selection, and the message, of so many boxes, each after a forward pass.

    :param image_size: (height, width) of an image of noise.
    :returns: milliseconds by name; the message is built, not yet serialised.
    """
    detector.selection = replace(_SELECTION, top_n=boxes)
    image = np.random.default_rng(0).integers(0, 256, (*image_size, 3), np.uint8)
    (best,) = detector.detect([image])
    # As on the road: so many boxes reach the threshold, and the others do not.
    weakest = float(best.scores.min())
    detector.selection = replace(detector.selection, plot_prob_thresh=weakest)
    ids = class_ids(detector.model.classes, 'index')
    rows, spare = [], list[Detection2D]()
    for _ in range(_WARM_UP + frames):
        (found,), stages = detector.detect_timed([image])
        start = perf_counter()
        message = detections_to_message(found, Header(), ids, spare)
        rows.append((stages.select, perf_counter() - start))
    select, build = 1e3 * np.array(rows[_WARM_UP:]).T
    return {
        'boxes': len(message.detections),
        'select_median': float(np.median(select)),
        'message_median': float(np.median(build)),
        'both_least': float((select + build).min()),
        'both_median': float(np.median(select + build)),
        'both_p99': float(np.percentile(select + build, 99)),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Time on the first core that this process may use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--weights', type=Path, required=True, help='checkpoint')
    parser.add_argument('--engine', type=json.loads, required=True, help='engine config, as JSON')
    parser.add_argument('--image-size', nargs=2, type=int, required=True, help='height and width')
    parser.add_argument('--boxes', type=int, required=True, help='boxes of each message')
    parser.add_argument('--frames', type=int, required=True, help='frames that are timed')
    arguments = parser.parse_args(argv)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    engine = EngineConfig(**{**arguments.engine, 'num_threads': 1})
    detector = Detector.from_checkpoint(arguments.weights, engine=engine)
    height, width = arguments.image_size
    found = time_messages(detector, (height, width), arguments.boxes, arguments.frames)
    sys.stdout.write(json.dumps(found) + '\n')


if __name__ == '__main__':
    main()
