"""Package metadata; the tools' settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

package_name = 'squeezedet_ros'
root = Path(__file__).resolve().parent


def files(pattern: str) -> list[str]:
    """
    Find files of this folder.

    :param pattern: glob, relative to this folder
    :returns: sorted relative paths, as setuptools wants them
    """
    return sorted(str(path.relative_to(root)) for path in root.glob(pattern) if path.is_file())


setup(
    name=package_name,
    version='1.0.0',
    description='SqueezeDet object detection for ROS 2 camera topics',
    long_description=(root / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    maintainer='squeezedet_ros maintainers',
    maintainer_email='squeezedet-ros@users.noreply.github.com',
    keywords=['ROS', 'object detection', 'SqueezeDet'],
    classifiers=[
        'Programming Language :: Python :: 3',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=[package_name, f'{package_name}.*']),
    package_data={
        package_name: [
            'py.typed',
            'weights/*.safetensors',
            'weights/*.md',
            'engines/*.jpg',
            'evaluation/page/*',
        ]
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', files('launch/*.py')),
        (f'share/{package_name}/config', files('config/*')),
    ],
    zip_safe=False,
    install_requires=[
        'apsw>=3.50',
        'backports-zstd>=1.0; python_version < "3.14"',
        'lz4>=4.0',
        'numpy>=1.21',
        'opencv-python-headless>=4.5',
        'rosbags>=0.11',
        'safetensors>=0.4',
        'torch>=2.1',
        'tqdm>=4.57',
    ],
    extras_require={
        'coco': ['pycocotools>=2.0.7'],
        'keras': ['h5py>=3.6'],
        'onnxruntime': ['onnx>=1.15', 'onnxruntime>=1.16'],
        'openvino': ['onnx>=1.15', 'openvino>=2023.1'],
        'report': ['matplotlib>=3.5'],
        # By this colcon test knows what runs the tests.
        'test': ['pytest>=6.2'],
        'train': ['matplotlib>=3.5', 'tensorboard>=2.10'],
    },
    entry_points={
        'console_scripts': [
            f'squeezedet = {package_name}.cli.main:main',
            f'detector_node = {package_name}.ros.detector_node:main',
        ],
    },
)
