"""What AWS refuses, in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fedloom.errors import AccessError, ConflictError, FedloomError, InputError, LinkError

__all__ = ["CapacityError", "aws_errors", "error_code"]

_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_RIGHTS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
_QUOTAS = {
    "InstanceLimitExceeded",
    "LimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SecurityGroupLimitExceeded",
    "TooManyBuckets",
    "VcpuLimitExceeded",
}
_CAPACITY = {"InsufficientInstanceCapacity", "SpotMaxPriceTooLow", "Unsupported"}
_BUCKET = {"BucketAlreadyExists", "BucketAlreadyOwnedByYou", "OperationAborted"}
_INPUTS = {
    "InvalidAMIID.Malformed",
    "InvalidAMIID.NotFound",
    "InvalidInstanceType",
    "InvalidKeyPair.NotFound",
    "InvalidSubnetID.NotFound",
    "ParameterNotFound",
}

HOW_TO_LOG_IN = (
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or in "
    ".env ('fedloom bench init' writes one to fill in)"
)


class CapacityError(FedloomError):
    """AWS does not give the machines now: a quota is used up, or there are none."""


def error_code(error: BaseException) -> str:
    """Return AWS' own word for an error; empty where it is not from there."""
    answer: Any = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn what boto3 raises into an error of ours.

    Args:
        doing: what is tried, as in "cannot …".

    Raises:
        AccessError: there are no credentials, they are refused, or do not suffice.
        CapacityError: a quota is used up, or there are no such machines now.
        ConflictError: a bucket of that name belongs to somebody else.
        InputError: something named does not exist.
        LinkError: AWS cannot be reached, or answers something else.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _translate(doing, error_code(error), _say(error)) from error
    except (BotoCoreError, Boto3Error, ResponseParserError) as error:
        raise _translate_own(doing, error) from error


def _say(error: BaseException) -> str:
    answer: Any = getattr(error, "response", {})
    return " ".join(str(answer.get("Error", {}).get("Message") or error).split())


def _translate(doing: str, code: str, message: str) -> FedloomError:
    said = f"cannot {doing}: {message} ({code})"
    if code in _CREDENTIALS:
        return AccessError(f"{said}; these credentials do not work any more: {HOW_TO_LOG_IN}")
    if code in _RIGHTS:
        return AccessError(
            f"{said}; docs/bench.md lists the rights that are needed; where roles may not be "
            "created, name one of yours with --instance-profile"
        )
    if code in _QUOTAS:
        return CapacityError(f"{said}; ask AWS for a higher quota, or take fewer or smaller ones")
    if code in _CAPACITY:
        return CapacityError(f"{said}; take another type, region or --subnet, or leave out --spot")
    if code in _BUCKET:
        return ConflictError(f"{said}; the name is taken: choose another --run")
    if code in _INPUTS or code.startswith("InvalidParameter"):
        return InputError(said)
    return LinkError(said)


def _translate_own(doing: str, error: Exception) -> FedloomError:
    from botocore.exceptions import (
        CredentialRetrievalError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
        SSOError,
        TokenRetrievalError,
    )

    text = " ".join(str(error).split())
    no_login = (
        *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
        *(TokenRetrievalError, SSOError, ProfileNotFound),
    )
    if isinstance(error, no_login):
        return AccessError(f"cannot {doing}: {text}; {HOW_TO_LOG_IN}")
    return LinkError(f"cannot {doing}: {text}; is AWS reachable from here?")
