"""The rights that docs/managed.md asks for: no more than is used."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tools.bootstrap import ROOT

POLICIES = sorted((ROOT / "docs" / "iam").glob("*.json"))
WITHOUT_RESOURCES = {
    "cloudwatch:PutMetricData",
    "kms:Decrypt",  # with a key of Amazon's own account, and through SQS only
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "logs:DescribeLogGroups",
    "s3:GetAccountPublicAccessBlock",
}
"""Actions that AWS grants on everything or not at all, and MWAA needs."""


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_rights_are_named_one_by_one(path):
    policy = json.loads(path.read_text())
    assert policy["Version"] == "2012-10-17"
    names = [statement["Sid"] for statement in policy["Statement"]]
    assert len(names) == len(set(names)) and all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)
    for statement in policy["Statement"]:
        actions = listed(statement["Action"])
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for action in actions), (
            "a wildcard grants what is not named"
        )
        if statement.get("Resource", "*") == "*":
            assert set(actions) <= WITHOUT_RESOURCES
        else:
            assert all(resource.startswith("arn:aws:") for resource in listed(statement["Resource"]))
        assert statement["Effect"] == "Allow"


def test_both_policies_are_in_the_documentation():
    page = (ROOT / "docs" / "managed.md").read_text()
    assert len(POLICIES) == 2
    assert all(f"(iam/{path.name})" in page for path in POLICIES)


def test_the_role_may_read_every_secret_that_airflow_is_told_to_look_for():
    """The pattern in the configuration and the names in the policy are the same."""
    page = (ROOT / "docs" / "managed.md").read_text()
    pattern = re.search(r'"connections_lookup_pattern": "\^\((.*)\)\$"', page)[1].replace("\\|", "|")
    policy = json.loads((ROOT / "docs" / "iam" / "mwaa-execution-role.json").read_text())
    (secrets,) = (each["Resource"] for each in policy["Statement"] if each["Sid"] == "ConnectionsAreRead")
    granted = {re.sub(r"-?\*$", "", each.rpartition("/")[2]) for each in secrets}
    assert granted == {part.removesuffix(".*") for part in pattern.split("|")}
