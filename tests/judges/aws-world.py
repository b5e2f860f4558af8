"""A user and a role in an AWS that is played, and bearer tokens of theirs as botocore signs them.

usage: aws-world.py ENDPOINT REGION. Prints one JSON document: the credentials of both by name, and the tokens by what is in them.
From then on the endpoint verifies signatures and permissions.
"""

import base64
import json
import sys
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

endpoint, region = sys.argv[1:]
server_id = "mesh.example"
everything = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=region, aws_access_key_id="root", aws_secret_access_key="root"
    )


def set_up():
    iam, sts = client("iam"), client("sts")
    iam.create_user(UserName="ann", Path="/ops/", Tags=[{"Key": "team", "Value": "a & b <c>"}])
    iam.put_user_policy(UserName="ann", PolicyName="all", PolicyDocument=everything)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    tags = [{"Key": "service-name", "Value": "web"}]
    role = iam.create_role(RoleName="web-role", Path="/ecs/", AssumeRolePolicyDocument="{}", Tags=tags)["Role"]
    iam.put_role_policy(RoleName="web-role", PolicyName="all", PolicyDocument=everything)
    assumed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="task")["Credentials"]
    strict = urllib.request.Request(
        f"{endpoint}/moto-api/reset-auth", data=b"0", headers={"content-type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(strict).read()
    return (
        Credentials(key["AccessKeyId"], key["SecretAccessKey"]),
        Credentials(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"]),
    )


def signed(who, service, url, body, headers):
    given = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", **headers}
    request = AWSRequest(method="POST", url=url, data=body, headers=given)
    SigV4Auth(who, service, region).add_auth(request)
    return {name: [value] for name, value in request.headers.items()}


def token(who, entity=None, sts_url=None, change=None):
    """As Consul's clients make it; `entity` is the body of a request to IAM, `change` alters what has been signed."""
    extra = {"X-Consul-IAM-ServerID": server_id}
    if entity is not None:
        url = "https://iam.amazonaws.com/"
        extra |= {
            "X-Consul-IAM-GetEntity-Headers": json.dumps(signed(who, "iam", url, entity, extra)),
            "X-Consul-IAM-GetEntity-Method": "POST",
            "X-Consul-IAM-GetEntity-URL": url,
            "X-Consul-IAM-GetEntity-Body": entity,
        }
    sts_url = sts_url or f"https://sts.{region}.amazonaws.com/"
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    headers = signed(who, "sts", sts_url, body, extra)
    if change is not None:
        change(headers)
    encode = lambda text: base64.b64encode(text.encode()).decode()
    return json.dumps({
        "iam_http_request_method": "POST",
        "iam_request_url": encode(sts_url),
        "iam_request_body": encode(body),
        "iam_request_headers": encode(json.dumps(headers)),
    })


def credentials(who):
    return {"id": who.access_key, "secret": who.secret_key, "token": who.token or ""}


def replace(name, value):
    return lambda headers: headers.__setitem__(name, [value])


user, role = set_up()
get_user = "Action=GetUser&UserName=ann&Version=2010-05-08"
get_role = "Action=GetRole&RoleName=web-role&Version=2010-05-08"
print(json.dumps({
    "user": credentials(user),
    "role": credentials(role),
    "tokens": {
        "user": token(user),
        "role": token(role),
        "userAtEndpoint": token(user, sts_url=f"{endpoint}/"),
        "userWithEntity": token(user, get_user),
        "roleWithEntity": token(role, get_role),
        "userWithTheRole": token(user, get_role),
        "wrongSecret": token(Credentials(user.access_key, "x" * 40)),
        "wrongSecretWithEntity": token(Credentials(role.access_key, "x" * 40, role.token), get_role),
        "unknownKey": token(Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)),
        "laterDate": token(user, change=replace("X-Amz-Date", "20991231T000000Z")),
        "withoutSession": token(role, change=lambda headers: headers.pop("X-Amz-Security-Token")),
        "anotherEntityInside": token(role, get_user, change=replace("X-Consul-IAM-GetEntity-Body", get_role)),
    },
}))
