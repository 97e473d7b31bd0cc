from threading import Thread

from squeezedet_ros.ros.scheduling import FrameQueue


def test_the_latest_frame_of_each_camera_is_taken_at_once():
    queue = FrameQueue()
    assert queue.put('left', 1) is None
    assert queue.put('right', 2) is None
    assert queue.put('left', 3) == 1
    assert sorted(queue.take()) == [2, 3]


def test_every_frame_is_taken_in_order_and_alone():
    queue = FrameQueue(every=True)
    for number, camera in enumerate(['left', 'left', 'right', 'left']):
        assert queue.put(camera, number) is None
    assert [queue.take() for _ in range(4)] == [[0], [1], [2], [3]]


def test_closing_gives_back_what_waits_and_ends_who_takes():
    for every in (False, True):
        queue = FrameQueue(every=every)
        queue.put('left', 1)
        queue.put('right', 2)
        assert queue.close() == [1, 2]
        assert queue.take() == []
        assert queue.put('left', 3) == 3
        assert queue.take() == []


def test_who_waits_is_woken():
    queue = FrameQueue()
    taken = []
    thread = Thread(target=lambda: taken.extend(iter(queue.take, [])))
    thread.start()
    queue.put('left', 'frame')
    while not taken:
        pass
    queue.close()
    thread.join(10)
    assert not thread.is_alive()
    assert taken == [['frame']]


def test_no_frame_is_lost_or_taken_twice_between_threads():
    for every in (False, True):
        queue = FrameQueue(every=every)
        taken, superseded = [], []

        def take(queue=queue, taken=taken):
            while frames := queue.take():
                taken.extend(frames)

        def put(camera, queue=queue, superseded=superseded):
            for number in range(2000):
                old = queue.put(camera, (camera, number))
                if old is not None:
                    superseded.append(old)

        taker = Thread(target=take)
        putters = [Thread(target=put, args=(camera,)) for camera in 'abc']
        for thread in (taker, *putters):
            thread.start()
        for thread in putters:
            thread.join()
        left = queue.close()
        taker.join()
        everything = sorted(taken + superseded + left)
        assert everything == [(camera, number) for camera in 'abc' for number in range(2000)]
        assert not (every and superseded)
