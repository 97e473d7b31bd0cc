from squeezedet_ros.evaluation.html_parts import flat, table


def test_texts_are_escaped_and_numbers_rounded():
    text = table('a & b', ('<x>', 'y'), [('<b>', 0.12345), ('c', None), ('d', 7)])
    assert '<caption>a &amp; b</caption>' in text
    assert '<th scope="col">&lt;x&gt;</th>' in text
    assert '<tr><th scope="row">&lt;b&gt;</th><td>0.123</td></tr>' in text
    assert '<tr><th scope="row">c</th><td>-</td></tr>' in text
    assert '<td>7</td>' in text


def test_nested_settings_are_named_by_their_path():
    settings = {'a': {'b': 1, 'c': {'d': 'text', 'e': [1, 2]}}, 'f': {}, 'g': None}
    assert list(flat(settings)) == [
        ('a.b', '1'),
        ('a.c.d', 'text'),
        ('a.c.e', '[1, 2]'),
        ('f', '{}'),
        ('g', 'null'),
    ]
