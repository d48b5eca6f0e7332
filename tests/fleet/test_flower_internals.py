"""What of Flower's inside we build on: an upgrade that changes it is noticed here."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from flwr.app.message import ConfigRecord, Message, RecordDict, make_message
from flwr.app.metadata import Metadata
from flwr.common.config import get_fab_config
from flwr.common.serde import message_to_proto, recorddict_to_proto
from flwr.common.serde_utils import metadata_to_proto
from flwr.proto.message_pb2 import Metadata as ProtoMetadata
from flwr.supercore.constant import OBJECT_PUSH_SESSION_TTL_SECONDS
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    validate_object_content,
)
from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES

from fedloom.fleet.flower.bundle import build_bundle
from fedloom.fleet.flower.parcel import cut, pack, wrap
from fedloom.fleet.flower.unpack import Incoming

PARAMETERS = {
    "flwr.supercore.protobuf.client:ProtobufClient.from_server_address": [
        "server_address",
        "insecure",
        "root_certificates",
        "interceptors",
        "retry_invoker",
    ],
    "flwr.supercore.interceptors:RuntimeTokenHttpInterceptor.__init__": ["self", "token"],
    "flwr.supercore.interceptors:SuperExecAuthHttpInterceptor.__init__": [
        "self",
        "master_secret",
        "protected_methods",
    ],
    "flwr.supercore.primitives.asymmetric:sign_message": ["private_key", "message"],
    "flwr.supercore.error:FlowerError.from_json": ["value"],
    "flwr.superlink.cli:flower_superlink": [],
}
FIELDS = {
    "flwr.proto.control_pb2:StartRunRequest": ["fab"],
    "flwr.proto.control_pb2:StopRunRequest": ["run_id"],
    "flwr.proto.runtime_pb2:AcquireTaskRequest": ["agentapp_fab_hashes"],
    "flwr.proto.runtime_pb2:AcquireTaskResponse": ["token"],
    "flwr.proto.runtime_pb2:PushAppMessagesRequest": ["messages_list", "message_object_trees"],
    "flwr.proto.runtime_pb2:PushAppMessagesResponse": [
        "message_ids",
        "objects_to_push",
        "session_id",
    ],
    "flwr.proto.runtime_pb2:PullAppMessagesResponse": ["messages_list", "message_object_trees"],
    "flwr.proto.runtime_pb2:PushTaskOutputRequest": ["sub_status", "details"],
    "flwr.proto.fleet_pb2:PushMessagesRequest": [
        "node",
        "messages_list",
        "message_object_trees",
        "clientapp_runtime_list",
    ],
    "flwr.proto.fleet_pb2:PushMessagesResponse": ["objects_to_push", "session_id"],
    "flwr.proto.fleet_pb2:ActivateNodeRequest": ["public_key", "heartbeat_interval"],
    "flwr.proto.heartbeat_pb2:SendNodeHeartbeatRequest": ["node", "heartbeat_interval"],
    "flwr.proto.message_pb2:PushObjectRequest": [
        "node",
        "run_id",
        "object_id",
        "object_content",
        "session_id",
    ],
    "flwr.proto.message_pb2:PullObjectResponse": [
        "object_found",
        "object_available",
        "object_content",
    ],
    "flwr.proto.node_pb2:NodeInfo": ["node_id", "public_key", "last_activated_at"],
}
PATHS = [
    *(f"/v1/control/{name}" for name in ("start-run", "stop-run", "register-node")),
    *(
        f"/v1/fleet/{name}"
        for name in (
            *("register-node", "activate-node", "deactivate-node", "send-node-heartbeat"),
            *("pull-messages", "push-messages", "pull-object", "push-object"),
            "confirm-message-received",
        )
    ),
    *(
        f"/v1/runtime/{name}"
        for name in (
            *("acquire-task", "pull-task-input", "push-task-output", "send-task-heartbeat"),
            *("get-nodes", "pull-messages", "push-messages", "pull-object", "push-object"),
            "confirm-message-received",
        )
    ),
]


def find(name: str) -> Any:
    module, _, path = name.partition(":")
    found = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", PARAMETERS)
def test_functions_take_what_we_give_them(name):
    assert list(inspect.signature(find(name)).parameters) == PARAMETERS[name]


@pytest.mark.parametrize("name", FIELDS)
def test_messages_have_the_fields_that_we_use(name):
    known = {field.name for field in find(name).DESCRIPTOR.fields}
    assert set(FIELDS[name]) <= known


def test_the_superlink_serves_the_paths_that_we_call():
    assert {("POST", path) for path in PATHS} <= PROTOBUF_REQUEST_TYPES.keys()


def test_the_superlink_takes_the_arguments_that_we_give_it():
    command = [sys.executable, "-m", "fedloom.fleet.flower.superlink_child", "--help"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helped:
        assert helped.stdout is not None
        said = helped.stdout.read().decode()  # its standard input stays open meanwhile
        assert helped.wait(timeout=60) == 0
    for argument in (
        *("--host", "--port", "--isolation", "--database", "--superexec-auth-secret-file"),
        *("--disable-runtime-dependency-installation", "--enable-supernode-auth", "--insecure"),
        *("--ssl-certfile", "--ssl-keyfile", "--ssl-ca-certfile"),
    ):
        assert argument in said


def test_a_bundle_of_ours_is_one_and_no_two_are_equal():
    bundle = build_bundle()
    assert get_fab_config(bundle)["tool"]["flwr"]["app"]["publisher"] == "fedloom"
    assert build_bundle() != bundle


def metadata(**more: Any) -> ProtoMetadata:
    return ProtoMetadata(
        run_id=5,
        src_node_id=1,
        dst_node_id=9,
        group_id="g",
        created_at=1.8e9,
        ttl=60.0,
        message_type="train",
        **more,
    )


def test_our_full_form_is_what_flower_itself_makes_and_reads():
    weights = [np.arange(6, dtype=np.float32).reshape(2, 3)]
    body = pack({"a": 1}, cut({"weights": weights}))
    parcel = wrap(metadata(), body, inside=False)
    contents = {piece.object_id: piece.make() for piece in parcel.pieces}
    for content in contents.values():
        validate_object_content(content)
    root = parcel.proto.metadata.message_id
    message = inflate_object_from_contents(root, contents, keep_object_contents=True)
    assert isinstance(message, Message)
    assert set(message.content) == {"header", "weights/0"}
    assert json.loads(message.content["header"]["json"])["a"] == 1
    assert message.content["weights/0"]["data"] == weights[0].tobytes()
    theirs = make_message(metadata=message.metadata, content=message.content)
    assert get_all_nested_objects(theirs).keys() == contents.keys()
    ours, expected = parcel.tree, get_object_tree(theirs)
    assert ours.SerializeToString() == expected.SerializeToString()
    incoming = Incoming(parcel.proto, parcel.tree, contents.__getitem__)
    assert incoming.header()["a"] == 1
    np.testing.assert_array_equal(incoming.arrays()["weights"][0], weights[0])


def test_our_inside_form_is_a_message_as_flower_writes_one_with_its_content():
    parcel = wrap(metadata(), pack({"a": 1}, cut({"w": [np.zeros(3)]})), inside=True)
    assert parcel.pieces == []
    content = RecordDict(
        {
            item.key: ConfigRecord({v.key: v.value.bytes for v in item.config_record.items})
            for item in parcel.proto.content.items
        }
    )
    assert recorddict_to_proto(content).SerializeToString() == (
        parcel.proto.content.SerializeToString()
    )
    plain = Metadata(
        run_id=5,
        message_id=parcel.proto.metadata.message_id,
        src_node_id=1,
        dst_node_id=9,
        reply_to_message_id="",
        group_id="g",
        created_at=1.8e9,
        ttl=60.0,
        message_type="train",
    )
    assert metadata_to_proto(plain) == parcel.proto.metadata
    written = message_to_proto(make_message(metadata=plain, content=content))
    assert written.SerializeToString() == parcel.proto.SerializeToString()


def test_uploads_stay_open_for_as_long_as_we_think():
    assert OBJECT_PUSH_SESSION_TTL_SECONDS == 180


def test_a_superlink_waits_longer_for_its_database_than_flower_says():
    code = (
        "from fedloom.fleet.flower.superlink_child import _wait_for_the_database as wait; wait();"
        "from flwr.supercore.sql_mixin import SQLITE_PRAGMAS;"
        "print(dict(SQLITE_PRAGMAS)['busy_timeout'], dict(SQLITE_PRAGMAS)['journal_mode'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert said.stdout.split() == ["25000", "WAL"]


def test_telemetry_and_the_look_for_updates_are_off():
    code = (
        "import os; import fedloom.fleet.flower;"
        "from flwr.supercore.telemetry import FLWR_TELEMETRY_ENABLED as on;"
        "print(on, os.environ['FLWR_DISABLE_UPDATE_CHECK'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.split() == ["0", "1"]
