from threading import Thread

from squeezedet_ros.ros.scheduling import FrameAges, FrameQueue

SECOND = 10**9


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
        assert queue.waiting() == [1, 2]
        assert queue.close() == [1, 2]
        assert queue.waiting() == []
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


def test_the_age_is_the_clock_less_the_stamp_or_else_the_wait():
    ages = FrameAges()
    assert ages.age(98 * SECOND, 100 * SECOND, 0.1, 1.0) == 2.0
    assert ages.age(0, 100 * SECOND, 0.1, 1.1) == 0.1
    assert ages.age(101 * SECOND, 100 * SECOND, 0.2, 1.2) == 0.2
    # A driver that sends one frame late has not set back its clock.
    assert ages.age(100 * SECOND + SECOND // 2, 103 * SECOND, 0.1, 1.3) == 2.5


def test_a_bag_that_begins_anew_is_given_a_second_for_its_clock():
    ages = FrameAges()
    assert ages.age(99 * SECOND, 100 * SECOND, 0.1, 1.0) == 1.0
    assert ages.age(10 * SECOND, 100 * SECOND, 0.1, 2.0) == 0.1
    assert ages.age(11 * SECOND, 100 * SECOND, 0.1, 2.9) == 0.1
    # The clock does not follow: these are stamps of long ago.
    assert ages.age(12 * SECOND, 100 * SECOND, 0.1, 3.1) == 88.0


def test_the_clock_of_a_bag_that_begins_anew_is_believed_again_at_once():
    ages = FrameAges()
    ages.age(99 * SECOND, 100 * SECOND, 0.1, 1.0)
    assert ages.age(10 * SECOND, 100 * SECOND, 0.1, 2.0) == 0.1
    assert ages.age(7 * SECOND, 10 * SECOND, 0.1, 2.1) == 3.0
    assert ages.age(9 * SECOND, 10 * SECOND, 0.1, 2.2) == 1.0


def test_a_clock_that_is_set_forward_makes_what_waits_old():
    ages = FrameAges()
    assert ages.age(10 * SECOND, 10 * SECOND, 0.1, 1.0) == 0.0
    assert ages.age(11 * SECOND, 500 * SECOND, 0.1, 1.1) == 489.0
