from xml.etree import ElementTree

import pytest
from squeezedet_ros.cli.main import main

PARAMETER_SERVICES = (
    'describe_parameters',
    'get_parameter_types',
    'get_parameters',
    'list_parameters',
    'set_parameters',
    'set_parameters_atomically',
)


def read(text):
    """Return the attributes of the profile, and the names by what is allowed with them."""
    policy = ElementTree.fromstring(text)
    assert policy.tag == 'policy'
    assert policy.get('version') == '0.2.0'
    (profile,) = policy.findall('enclaves/enclave/profiles/profile')
    allowed = {}
    for group in profile:
        ((verb, rule),) = group.attrib.items()
        assert rule == 'ALLOW'
        assert all(item.tag == group.tag.removesuffix('s') for item in group)
        allowed[group.tag, verb] = [item.text for item in group]
    enclave = policy.find('enclaves/enclave').get('path')
    return {**profile.attrib, 'enclave': enclave}, allowed


def test_policy_of_one_camera(capsys):
    assert main(['policy', '--cameras', 'front']) == 0
    profile, allowed = read(capsys.readouterr().out)
    assert profile == {'ns': '/', 'node': 'detector', 'enclave': '/detector'}
    assert set(allowed) == {('topics', 'publish'), ('topics', 'subscribe'), ('services', 'reply')}
    assert allowed['topics', 'subscribe'] == ['front/image_raw']
    published = allowed['topics', 'publish']
    assert {'front/detections', 'front/frame_status', '/diagnostics', '/rosout'} <= set(published)
    assert len(published) == len(set(published)) == 11
    services = {f'~/{name}' for name in PARAMETER_SERVICES} | {'~/enable', '~/detect'}
    assert services <= set(allowed['services', 'reply'])


def test_options_count(capsys, tmp_path):
    options = '--cameras a rig/b --image-transport compressed --namespace /car --enclave /car/eye'
    out = tmp_path / 'new' / 'policy.xml'
    assert main(['policy', *options.split(), '--use-sim-time', '--out', str(out)]) == 0
    assert capsys.readouterr().out == ''
    profile, allowed = read(out.read_text())
    assert profile == {'ns': '/car', 'node': 'detector', 'enclave': '/car/eye'}
    assert allowed['topics', 'subscribe'] == [
        '/clock',
        'a/image_raw/compressed',
        'rig/b/image_raw/compressed',
    ]
    assert len(allowed['topics', 'publish']) == 4 + 2 * 7


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        (['--cameras', 'a"/><x y="'], 'cameras must be distinct topic names'),
        (['--cameras', '*'], 'cameras must be distinct topic names'),
        (['--namespace', 'car'], "namespace must be an absolute name such as /car, got 'car'"),
        (['--namespace', '/*'], 'namespace must be'),
        (['--enclave', '/a<b'], 'enclave must be'),
    ],
)
def test_names_that_would_allow_more_are_refused(capsys, option, expected):
    assert main(['policy', *option]) == 2
    out, err = capsys.readouterr()
    assert expected in err
    assert out == ''
