"""``squeezedet policy``: what SROS 2 has to allow the node, and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
import re
import sys
from typing import get_args
from xml.etree import ElementTree

from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.config import ImageTransport, NodeConfig
from squeezedet_ros.contract import (
    camera_input,
    camera_outputs,
    CLOCK,
    DETECT,
    DIAGNOSTICS,
    ENABLE,
    INHERITED_PUBLISHERS,
    INHERITED_SERVICES,
    NODE,
)
from squeezedet_ros.errors import ConfigError

_VERSION = '0.2.0'
_ABSOLUTE_NAME = re.compile(r'/|(/[A-Za-z_][A-Za-z0-9_]*)+')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    settings = {item.name: item for item in fields(NodeConfig)}
    parser.add_argument(
        '--cameras',
        nargs='+',
        default=settings['cameras'].default,
        help=settings['cameras'].metadata['description'],
    )
    parser.add_argument(
        '--image-transport',
        choices=get_args(ImageTransport),
        default=settings['image_transport'].default,
        help=settings['image_transport'].metadata['description'],
    )
    parser.add_argument('--namespace', default='/', help='namespace of the node')
    parser.add_argument('--enclave', default=f'/{NODE}', help='enclave the node runs in')
    parser.add_argument(
        '--use-sim-time', action='store_true', help=f'let the node hear {CLOCK}, for bags'
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='write it here, not to stdout')


def make_policy(
    config: NodeConfig, namespace: str = '/', enclave: str = f'/{NODE}', *, sim_time: bool = False
) -> str:
    """
    Return the SROS 2 policy of a node whose topics are not remapped, as XML.

    :param config: its cameras and their transport count.
    :param sim_time: whether the node hears the clock of a bag.
    :raises ConfigError: for a namespace or an enclave that is no absolute name.
    """
    for option, name in (('namespace', namespace), ('enclave', enclave)):
        if not _ABSOLUTE_NAME.fullmatch(name):
            raise ConfigError(f'{option} must be an absolute name such as /car, got {name!r}')
    policy = ElementTree.Element('policy', version=_VERSION)
    enclaves = ElementTree.SubElement(policy, 'enclaves')
    profiles = ElementTree.SubElement(
        ElementTree.SubElement(enclaves, 'enclave', path=enclave), 'profiles'
    )
    profile = ElementTree.SubElement(profiles, 'profile', ns=namespace, node=NODE)
    outputs = [topic for camera in config.cameras for topic in camera_outputs(camera)]
    inputs = [camera_input(camera, config.image_transport) for camera in config.cameras]
    _allow(profile, 'topic', 'publish', [*INHERITED_PUBLISHERS, DIAGNOSTICS, *outputs])
    _allow(profile, 'topic', 'subscribe', [*inputs, *([CLOCK] if sim_time else [])])
    _allow(profile, 'service', 'reply', [*INHERITED_SERVICES, ENABLE, DETECT])
    ElementTree.indent(policy)
    return ElementTree.tostring(policy, encoding='unicode', xml_declaration=True) + '\n'


def _allow(profile: ElementTree.Element, kind: str, verb: str, names: Sequence[str]) -> None:
    group = ElementTree.SubElement(profile, f'{kind}s', {verb: 'ALLOW'})
    for name in sorted(names):
        ElementTree.SubElement(group, kind).text = name


def run(arguments: argparse.Namespace) -> int:
    """
    Write the policy.

    :raises ConfigError: for a name that cannot be.
    """
    config = NodeConfig(
        cameras=tuple(arguments.cameras), image_transport=arguments.image_transport
    )
    policy = make_policy(
        config, arguments.namespace, arguments.enclave, sim_time=arguments.use_sim_time
    )
    if arguments.out:
        write_atomically(arguments.out, policy.encode())
    else:
        sys.stdout.write(policy)
    return 0
