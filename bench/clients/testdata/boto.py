"""What boto3 is asked: boto.py ENDPOINT BUCKET PART. It prints what it was told, but for
what no two answers share, and leaves files in the working directory."""

import hashlib
import json
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, bucket, part = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint)


def show(what, answer):
    answer.pop("ResponseMetadata", None)
    body = answer.pop("Body", None)
    if body is not None:
        data = body.read()
        answer["Body"] = [len(data), hashlib.sha256(data).hexdigest()]
    print(what, json.dumps(answer, sort_keys=True, default=str))


def reads():
    for key in ("sizes/empty", "sizes/one", "sizes/64k", "sizes/8m-in-parts"):
        show("head " + key, s3.head_object(Bucket=bucket, Key=key))
        show("get " + key, s3.get_object(Bucket=bucket, Key=key))
    for what in ("bytes=0-0", "bytes=5242875-5242885", "bytes=-7", "bytes=8388600-99999999"):
        show(what, s3.get_object(Bucket=bucket, Key="sizes/8m-in-parts", Range=what))
    for number in (1, 2):
        show("part", s3.get_object(Bucket=bucket, Key="sizes/8m-in-parts", PartNumber=number))
    show("checked", s3.get_object(Bucket=bucket, Key="sizes/64k", ChecksumMode="ENABLED"))


def keys():
    for line in open(__file__.replace("boto.py", "names.txt"), encoding="utf-8"):
        yield "names/" + line.rstrip("\n")


def names():
    for key in keys():
        show(key, s3.get_object(Bucket=bucket, Key=key))


def transfer():
    config = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=4 << 20, max_concurrency=10)
    s3.download_file(bucket, "large/100m", "100m", Config=config)
    s3.download_file(bucket, "sizes/64k", "64k", Config=config)


def presigned():
    for client in (s3, boto3.client("s3", endpoint_url=endpoint, config=Config(signature_version="s3v4"))):
        url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "names/with space.txt"})
        with urllib.request.urlopen(url) as answer:
            print(answer.status, hashlib.sha256(answer.read()).hexdigest())


def fails(what, call, **arguments):
    try:
        call(**arguments)
        print(what, "does not fail")
    except ClientError as e:
        print(what, e.response["Error"].get("Code"), e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["ResponseMetadata"]["RetryAttempts"])


def errors():
    fails("key", s3.get_object, Bucket=bucket, Key="none")
    fails("head", s3.head_object, Bucket=bucket, Key="none")
    fails("bucket", s3.get_object, Bucket="no-such-bucket", Key="none")
    fails("range", s3.get_object, Bucket=bucket, Key="sizes/one", Range="bytes=1-1")
    fails("match", s3.get_object, Bucket=bucket, Key="sizes/one", IfMatch='"another"')
    etag = s3.head_object(Bucket=bucket, Key="sizes/one")["ETag"]
    fails("none match", s3.get_object, Bucket=bucket, Key="sizes/one", IfNoneMatch=etag)


def writes():
    s3.put_object(Bucket=bucket, Key="new", Body=b"x" * (6 << 20))


globals()[part]()
