"""The provider on EC2: machines of AWS for the processes of a study, and nothing left of them.

`AwsProvider` carries out cells, `find_leftovers` and `clean_up` look for what an earlier launcher
left, `fetch_results` brings results that stayed in a bucket. What runs on the machines is
`fedloom.bench.aws.machine`. boto3 is needed, which the extra ``aws`` brings.
"""

from __future__ import annotations

from fedloom.bench.aws.cloud import Cloud, open_cloud
from fedloom.bench.aws.fetch import Fetched, fetch_results
from fedloom.bench.aws.journal import find_region
from fedloom.bench.aws.leftovers import Leftover, clean_up, find_leftovers
from fedloom.bench.aws.machine_config import Ec2Config, MachineConfig, read_ec2_config
from fedloom.bench.aws.opening import open_provider
from fedloom.bench.aws.options import AwsOptions
from fedloom.bench.aws.provider import AwsProvider
from fedloom.bench.aws.templates import write_templates

__all__ = [
    "AwsOptions",
    "AwsProvider",
    "Cloud",
    "Ec2Config",
    "Fetched",
    "Leftover",
    "MachineConfig",
    "clean_up",
    "fetch_results",
    "find_leftovers",
    "find_region",
    "open_cloud",
    "open_provider",
    "read_ec2_config",
    "write_templates",
]
