"""The SROS 2 policy against what the running node has in the graph."""

from xml.etree import ElementTree

from domains import fresh_domain
import pytest
from ros_testing import Client, NodeProcess, READY
from squeezedet_ros.cli.policy import make_policy
from squeezedet_ros.config import NodeConfig
from squeezedet_ros.contract import camera_outputs
from squeezedet_ros.ros.annotations import annotations_type

pytestmark = pytest.mark.ros
NAMESPACE = '/car'


def full_name(name):
    """Return a name of a policy as sros2's permissions.xsl has it."""
    if name.startswith('/'):
        return name
    return f'{NAMESPACE}/detector{name[1:]}' if name.startswith('~') else f'{NAMESPACE}/{name}'


def granted(policy):
    return {
        (group.tag, verb): {full_name(item.text) for item in group}
        for group in ElementTree.fromstring(policy).iter()
        for verb in group.attrib.keys() & {'publish', 'subscribe', 'reply'}
    }


def used(client):
    """Return what the graph tells of the node."""
    graph, node = client.node, ('detector', NAMESPACE)
    return {
        ('topics', 'publish'): graph.get_publisher_names_and_types_by_node(*node),
        ('topics', 'subscribe'): graph.get_subscriber_names_and_types_by_node(*node),
        ('services', 'reply'): graph.get_service_names_and_types_by_node(*node),
        ('services', 'request'): graph.get_client_names_and_types_by_node(*node),
    }


def lacking(client):
    """Return what is in the contract but not in every ROS installation."""
    names = set()
    if annotations_type() is None:
        names |= {full_name(camera_outputs(camera).annotations) for camera in ('a', 'rig/b')}
    if not hasattr(client.node, '_type_description_service'):
        names.add(full_name('~/get_type_description'))
    return names


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_the_policy_grants_what_the_node_has_and_nothing_else(weights, tmp_path, transport):
    domain, sim_time = fresh_domain(), transport == 'compressed'
    settings = {'cameras': ['a', 'rig/b'], 'image_transport': transport}
    settings |= {'weights': str(weights), 'use_sim_time': sim_time}
    remap = ('-r', f'__ns:={NAMESPACE}')
    config = NodeConfig(cameras=('a', 'rig/b'), image_transport=transport)
    allowed = granted(make_policy(config, NAMESPACE, sim_time=sim_time))
    with (
        NodeProcess(tmp_path / 'log', domain, *remap, **settings) as node,
        Client(domain, f'{NAMESPACE}/detector') as client,
    ):
        node.wait_for(READY)
        client.spin_until(lambda: client.state() == 'active')
        known = client.node.get_node_names_and_namespaces
        client.spin_until(lambda: ('detector', NAMESPACE) in known())
        wanted = {group: names - lacking(client) for group, names in allowed.items()}
        wanted['services', 'request'] = set()

        def seen():
            return {group: {name for name, _ in found} for group, found in used(client).items()}

        client.spin_briefly(lambda: seen() == wanted, 10.0)
        assert seen() == wanted
