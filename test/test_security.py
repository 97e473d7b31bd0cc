"""The package starts no shell, unpickles nothing and opens no connection: read from its code."""

import ast
from pathlib import Path

import pytest
import squeezedet_ros

ROOT = Path(squeezedet_ros.__file__).parent
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob('*.py'))

# Modules that start programs, run code from data, load libraries or talk to other machines.
SUSPECT = {
    *('cffi', 'code', 'codeop', 'ctypes', 'multiprocessing', 'os.system', 'pty', 'runpy'),
    *('subprocess', 'cloudpickle', 'dill', 'joblib', 'marshal', 'pickle', 'shelve', 'yaml'),
    *('aiohttp', 'asyncio', 'ftplib', 'http', 'httpx', 'imaplib', 'nntplib', 'poplib'),
    *('requests', 'smtplib', 'socket', 'socketserver', 'ssl', 'telnetlib', 'urllib'),
    *('urllib3', 'webbrowser', 'websockets', 'wsgiref', 'xmlrpc', 'torch.distributed'),
    *('torch.hub', 'torch.multiprocessing', 'torch.utils.cpp_extension', 'huggingface_hub'),
}
# What of these is used where, and for what.
USED = {
    # A pair of sockets inside the process, so that a signal wakes it.
    'ros/detector_node.py': {'socket'},
    # The C library that is loaded anyway: to give memory back.
    'memory.py': {'ctypes'},
    # The demo and the soak start the node and its peers; the C library ends them with us.
    'cli/processes.py': {'ctypes', 'subprocess'},
    # What malloc gave out, as the C library that is loaded anyway tells.
    'evaluation/memory_trace.py': {'ctypes'},
    # A process of its own, which keeps to one core.
    'cli/message_time.py': {'subprocess'},
    # The name of an error.
    'weight_import/files.py': {'pickle'},
    # Training on several devices, when torchrun's variables ask for it.
    'training/distributed.py': {'torch.distributed'},
}
# Calls that run text or programs.
FORBIDDEN_CALLS = {
    *('eval', 'exec', 'compile', '__import__', 'execfile'),
    *('os.system', 'os.popen', 'os.startfile', 'os.fork', 'os.forkpty'),
    *(f'os.exec{ending}' for ending in ('l', 'le', 'lp', 'lpe', 'v', 've', 'vp', 'vpe')),
    *(f'os.spawn{ending}' for ending in ('l', 'le', 'lp', 'lpe', 'v', 've', 'vp', 'vpe')),
    *('os.posix_spawn', 'os.posix_spawnp', 'torch.hub.load', 'torch.jit.load'),
    *('torch.utils.cpp_extension.load', 'torch.ops.load_library'),
}
# Calls that are safe with this argument only.
REQUIRED_ARGUMENTS = {
    'np.load': ('allow_pickle', False),
    'numpy.load': ('allow_pickle', False),
    'torch.load': ('weights_only', True),
}


def tree(path):
    return ast.parse((ROOT / path).read_text(encoding='utf-8'))


def imported(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f'{node.module}.{item.name}' for item in node.names)


def suspects(names):
    """Return the suspect modules among names, whatever of them is imported."""
    return {
        suspect for suspect in SUSPECT for name in names if f'{name}.'.startswith(f'{suspect}.')
    }


def calls(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {item.arg: item.value for item in node.keywords}


@pytest.mark.parametrize('path', MODULES, ids=str)
def test_a_module_imports_nothing_suspect(path):
    assert suspects(set(imported(path))) == USED.get(str(path), set())


@pytest.mark.parametrize('path', MODULES, ids=str)
def test_a_module_runs_neither_text_nor_shells(path):
    for name, keywords in calls(path):
        assert name not in FORBIDDEN_CALLS
        assert 'shell' not in keywords
        if name in REQUIRED_ARGUMENTS:
            keyword, value = REQUIRED_ARGUMENTS[name]
            assert keywords[keyword].value is value


def test_what_is_used_of_the_suspects_is_harmless():
    used = {name for name, _ in calls('ros/detector_node.py') if name.startswith('socket.')}
    assert used == {'socket.socketpair'}
    assert ('from pickle import UnpicklingError') in ast.unparse(tree('weight_import/files.py'))
    assert 'pickle.' not in (ROOT / 'weight_import/files.py').read_text().replace('_pickle', '')
    for path in ('memory.py', 'evaluation/memory_trace.py', 'cli/processes.py'):
        loaded = [ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
        assert [text for text in loaded if text.startswith('ctypes.')] == ['ctypes.CDLL(None)']


def test_the_rules_find_what_they_are_for():
    assert suspects({'urllib.request', 'os', 'torch'}) == {'urllib'}
    assert suspects({'torch.distributed.rpc'}) == {'torch.distributed'}
    assert suspects({'pickle.load'}) == {'pickle'}
    assert suspects({'codecs', 'httpd', 'sockets'}) == set()
